/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/busvolume.h"

#include "base/error.h"
#include "bootkeep.h"
#include "daemon/world/bustext.h"

static BusVolume view_of(const BusVolumes *b, void *volume) {
        BusVolume v = {};
        b->source->view(volume, &v);
        return v;
}

static BusVolume view_found(const BusVolumes *b) {
        assert(b->found);
        return view_of(b, b->found);
}

static int append_caches(sd_bus_message *reply, const Report *report) {
        int r = sd_bus_message_open_container(reply, 'a', "(ssbs)");
        for (size_t i = 0; r >= 0 && report && i < report->n_caches; i++)
                r = sd_bus_message_append(reply, "(ssbs)", report->caches[i].name, report->caches[i].instance,
                                          report->caches[i].fresh, strempty(report->caches[i].reason));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_learned(sd_bus_message *reply, const Report *report) {
        int r = sd_bus_message_open_container(reply, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && report && i < report->n_learned; i++)
                r = sd_bus_message_append(reply, "(ss)", report->learned[i].cache, report->learned[i].text);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_helpers(sd_bus_message *reply, const Report *report) {
        int r = sd_bus_message_open_container(reply, 'a', "(sssbs)");
        for (size_t i = 0; r >= 0 && report && i < report->n_helpers; i++)
                r = sd_bus_message_append(reply, "(sssbs)", report->helpers[i].device,
                                          report->helpers[i].type, report->helpers[i].partuuid,
                                          report->helpers[i].fresh, strempty(report->helpers[i].reason));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_volume_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        const struct {
                const char *property, *value;
        } texts[] = {
                {"Name", v.name},
                {"Device", v.device},
                {"MountPoint", v.mount_point},
                {"UUID", v.uuid},
                {"Manifest", v.manifest},
                {"FileSystemType", v.fstype},
                {"State", v.state},
                {"StateReason", v.reason},
                {"LockHolder", v.lock_holder},
                {"LastFailure", v.last_failure},
        };
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (streq(property, texts[i].property))
                        return bus_text_append(reply, texts[i].value);
        return error_origin(-EINVAL);
}

static int get_volume_bool(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        return sd_bus_message_append(reply, "b", streq(property, "Busy") ? v.busy : v.trusted);
}

static int get_volume_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        const struct {
                const char *property;
                uint32_t value;
        } numbers[] = {
                {"LockHolderPID", v.lock_holder_pid},
                {"LockWaiters", v.lock_waiters},
                {"Failures", v.failures},
                {"Attempts", v.attempts},
        };
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (streq(property, numbers[i].property))
                        return sd_bus_message_append(reply, "u", numbers[i].value);
        return error_origin(-EINVAL);
}

static int get_volume_build(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        if (streq(property, "LastBuildStart"))
                return sd_bus_message_append(reply, "t", v.last_build_start);
        if (streq(property, "LastBuildEnd"))
                return sd_bus_message_append(reply, "t", v.last_build_end);
        return sd_bus_message_append(reply, "i", v.last_build_status);
}

static int get_volume_report(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        if (streq(property, "Learned"))
                return append_learned(reply, v.report);
        return streq(property, "Caches") ? append_caches(reply, v.report) : append_helpers(reply, v.report);
}

static int get_volume_progress(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        return sd_bus_message_append(reply, "(tt)", v.progress_done, v.progress_of);
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable volume_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", get_volume_text, 0, CHANGES),
        SD_BUS_PROPERTY("Device", "s", get_volume_text, 0, CHANGES),
        SD_BUS_PROPERTY("MountPoint", "s", get_volume_text, 0, CHANGES),
        SD_BUS_PROPERTY("FileSystemType", "s", get_volume_text, 0, CHANGES),
        SD_BUS_PROPERTY("UUID", "s", get_volume_text, 0, CHANGES),
        SD_BUS_PROPERTY("Manifest", "s", get_volume_text, 0, CHANGES),
        SD_BUS_PROPERTY("State", "s", get_volume_text, 0, CHANGES),
        SD_BUS_PROPERTY("StateReason", "s", get_volume_text, 0, CHANGES),
        SD_BUS_PROPERTY("Busy", "b", get_volume_bool, 0, CHANGES),
        SD_BUS_PROPERTY("Trusted", "b", get_volume_bool, 0, CHANGES),
        SD_BUS_PROPERTY("LockHolder", "s", get_volume_text, 0, CHANGES),
        SD_BUS_PROPERTY("LockHolderPID", "u", get_volume_number, 0, CHANGES),
        SD_BUS_PROPERTY("LockWaiters", "u", get_volume_number, 0, CHANGES),
        SD_BUS_PROPERTY("Failures", "u", get_volume_number, 0, CHANGES),
        SD_BUS_PROPERTY("Attempts", "u", get_volume_number, 0, CHANGES),
        SD_BUS_PROPERTY("LastFailure", "s", get_volume_text, 0, CHANGES),
        SD_BUS_PROPERTY("LastBuildStart", "t", get_volume_build, 0, CHANGES),
        SD_BUS_PROPERTY("LastBuildEnd", "t", get_volume_build, 0, CHANGES),
        SD_BUS_PROPERTY("LastBuildStatus", "i", get_volume_build, 0, CHANGES),
        SD_BUS_PROPERTY("Caches", "a(ssbs)", get_volume_report, 0, CHANGES),
        SD_BUS_PROPERTY("Learned", "a(ss)", get_volume_report, 0, CHANGES),
        SD_BUS_PROPERTY("Helpers", "a(sssbs)", get_volume_report, 0, CHANGES),
        SD_BUS_PROPERTY("Progress", "(tt)", get_volume_progress, 0, CHANGES),
        SD_BUS_SIGNAL_WITH_NAMES("BuildFinished", "is", SD_BUS_PARAM(status) SD_BUS_PARAM(summary), 0),
        SD_BUS_VTABLE_END,
};

static int find_object(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                       sd_bus_error *error) {
        BusVolumes *b = userdata;
        _cleanup_free_ char *name = NULL;
        int r = sd_bus_path_decode(path, BOOTKEEP_VOLUME_PATH_PREFIX, &name);
        if (r <= 0)
                return r;
        void *volume = b->source->find(b->userdata, name);
        if (!volume)
                return 0;
        b->found = volume;
        *ret = b;
        return 1;
}

static int enumerate_objects(sd_bus *bus, const char *prefix, void *userdata, char ***ret,
                             sd_bus_error *error) {
        BusVolumes *b = userdata;
        _cleanup_strv_free_ char **paths = NULL;
        for (void *v = b->source->next(b->userdata, NULL); v; v = b->source->next(b->userdata, v)) {
                char *path = NULL;
                int r = sd_bus_path_encode(BOOTKEEP_VOLUME_PATH_PREFIX, view_of(b, v).name, &path);
                if (r >= 0)
                        r = strv_push(&paths, path);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(paths);
        return 1;
}

int bus_volumes_export(BusVolumes *b, sd_bus *bus) {
        assert(b->source);
        int r = sd_bus_add_fallback_vtable(bus, NULL, BOOTKEEP_VOLUME_PATH_PREFIX, BOOTKEEP_VOLUME_INTERFACE,
                                           volume_vtable, find_object, b);
        return r < 0 ? r
                     : sd_bus_add_node_enumerator(bus, NULL, BOOTKEEP_VOLUME_PATH_PREFIX, enumerate_objects,
                                                  b);
}
