/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/bus.h"

#include "base/error.h"
#include "bootkeep.h"
#include "config.h"
#include "daemon/world/bustext.h"
#include "daemon/world/busunit.h"

typedef sd_bus_message Message;

/* After everything else: anybody may call, as fast as they can, but nothing may wait because of that. */
#define BUS_PRIORITY (SD_EVENT_PRIORITY_IDLE + 10)

struct Bus {
        sd_bus *bus; /* NULL while there is none */
        const BusHandlers *handlers;
        void *userdata;
        BusVolumes volumes;
};

/* The manager */

static int append_owed(Message *reply, const OwedList *owed) {
        int r = sd_bus_message_open_container(reply, 'a', "(ssts)");
        for (size_t i = 0; r >= 0 && owed && i < owed->n; i++) {
                const Owed *o = &owed->items[i];
                r = sd_bus_message_open_container(reply, 'r', "ssts");
                if (r >= 0)
                        r = bus_text_append(reply, o->volume);
                if (r >= 0)
                        r = sd_bus_message_append(reply, "sts", o->uuid, o->since, o->reason);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_manager(sd_bus *bus, const char *path, const char *interface, const char *property,
                       Message *reply, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        if (streq(property, "Version"))
                return sd_bus_message_append(reply, "s", BOOTKEEP_VERSION);
        BusManager m = {};
        int r = b->handlers->manager(b->userdata, &m);
        if (r < 0)
                return r;
        _cleanup_strv_free_ char **busy = m.busy;
        if (streq(property, "Watching"))
                return sd_bus_message_append(reply, "b", m.watching);
        if (streq(property, "Ready"))
                return sd_bus_message_append(reply, "b", m.ready);
        if (streq(property, "BusyVolumes"))
                return bus_text_append_all(reply, busy);
        if (streq(property, "BootedStale"))
                return sd_bus_message_append(reply, "s", strempty(m.booted_stale));
        if (streq(property, "Inhibiting"))
                return sd_bus_message_append(reply, "s", strempty(m.inhibiting));
        if (streq(property, "RebootLocked"))
                return sd_bus_message_append(reply, "b", m.reboot_locked);
        if (streq(property, "RebootLockHolder"))
                return sd_bus_message_append(reply, "s", strempty(m.reboot_lock_holder));
        if (streq(property, "WaitInHooks"))
                return sd_bus_message_append(reply, "b", m.wait_in_hooks);
        if (streq(property, "FlushTimeoutUSec"))
                return sd_bus_message_append(reply, "t", m.flush_timeout);
        if (streq(property, "Owed"))
                return append_owed(reply, m.owed);
        return sd_bus_message_append(reply, "u", m.reboot_waiters);
}

static const struct {
        const char *member, *signature;
        BusVerb verb;
        bool changes; /* so it requires authorization */
} verbs[] = {
        {"Scan", "s", BUS_SCAN, true},
        {"Rebuild", "su", BUS_REBUILD, true},
        {"Trust", "s", BUS_TRUST, true},
        {"Distrust", "s", BUS_DISTRUST, true},
        {"GetVolume", "s", BUS_GET_VOLUME, false},
        {"Begin", "sss", BUS_BEGIN, true},
        {"Done", "ti", BUS_DONE, true},
        {"History", "su", BUS_HISTORY, false},
        {"Sources", "ss", BUS_SOURCES, true},
        {"Reload", "", BUS_RELOAD, true},
        {"LockVolume", "su", BUS_LOCK_VOLUME, true},
        {"UnlockVolume", "si", BUS_UNLOCK_VOLUME, true},
        {"UnlockVolumeWithReason", "sis", BUS_UNLOCK_VOLUME, true},
        {"BeginSwitch", "s", BUS_BEGIN_SWITCH, true},
        {"EndSwitch", "s", BUS_END_SWITCH, true},
        {"LockReboot", "u", BUS_LOCK_REBOOT, true},
        {"Flush", "t", BUS_FLUSH, true},
        {"FlushInHook", "t", BUS_FLUSH_IN_HOOK, true},
        {"PrepareUnmount", "s", BUS_PREPARE_UNMOUNT, true},
        {"LastChance", "t", BUS_LAST_CHANCE, true},
};

static int read_bus_arguments(Message *m, const char *signature, BusArguments *ret) {
        const char **strings[] = {&ret->volume, &ret->second, &ret->third};
        size_t n = 0;
        int r = sd_bus_message_rewind(m, true);
        for (; r >= 0 && *signature; signature++)
                switch (*signature) {
                case 's':
                        assert(n < ELEMENTSOF(strings));
                        r = sd_bus_message_read(m, "s", strings[n++]);
                        break;
                case 'u':
                        r = sd_bus_message_read(m, "u", &ret->flags);
                        break;
                case 'i':
                        r = sd_bus_message_read(m, "i", &ret->status);
                        break;
                case 't':
                        r = sd_bus_message_read(m, "t", &ret->timeout);
                        break;
                }
        return r;
}

static int call_verb(Bus *b, size_t verb, Message *m) {
        assert(verb < ELEMENTSOF(verbs));
        BusArguments arguments = {};
        int r = read_bus_arguments(m, verbs[verb].signature, &arguments);
        if (r >= 0)
                b->handlers->command(b->userdata, verbs[verb].verb, &arguments, m);
        return r < 0 ? r : 1;
}

static size_t verb_of(Message *m) {
        size_t i = 0;
        while (i < ELEMENTSOF(verbs) && !streq(sd_bus_message_get_member(m), verbs[i].member))
                i++;
        return i;
}

void bus_authorised(Bus *b, BusCall *call) {
        int r = call_verb(b, verb_of(call), call);
        if (r < 0)
                bus_reply_error(call, SD_BUS_ERROR_FAILED, "%s", strerror(-r));
}

static int on_method(Message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        size_t verb = verb_of(m);
        if (verb == ELEMENTSOF(verbs))
                return 0;
        if (verbs[verb].changes && !b->handlers->authorise(b->userdata, m))
                return 1;
        return call_verb(b, verb, m);
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define ANYONE SD_BUS_VTABLE_UNPRIVILEGED /* on_method() checks authorization itself */

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_manager, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Watching", "b", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("Ready", "b", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("BusyVolumes", "as", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("BootedStale", "s", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("Inhibiting", "s", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("RebootLocked", "b", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("RebootLockHolder", "s", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("RebootWaiters", "u", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("WaitInHooks", "b", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("FlushTimeoutUSec", "t", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("Owed", "a(ssts)", get_manager, 0, CHANGES),
        SD_BUS_METHOD_WITH_NAMES("Scan", "s", SD_BUS_PARAM(volume), "s", SD_BUS_PARAM(state), on_method,
                                 ANYONE),
        SD_BUS_METHOD_WITH_NAMES("Rebuild", "su", SD_BUS_PARAM(volume) SD_BUS_PARAM(flags), "", , on_method,
                                 ANYONE),
        SD_BUS_METHOD_WITH_NAMES("Trust", "s", SD_BUS_PARAM(volume), "", , on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("Distrust", "s", SD_BUS_PARAM(volume), "", , on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("GetVolume", "s", SD_BUS_PARAM(volume), "o", SD_BUS_PARAM(object), on_method,
                                 ANYONE),
        SD_BUS_METHOD_WITH_NAMES("LockVolume", "su", SD_BUS_PARAM(volume) SD_BUS_PARAM(flags), "", ,
                                 on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("UnlockVolume", "si", SD_BUS_PARAM(volume) SD_BUS_PARAM(exit_status), "", ,
                                 on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("UnlockVolumeWithReason", "sis",
                                 SD_BUS_PARAM(volume) SD_BUS_PARAM(exit_status) SD_BUS_PARAM(reason), "", ,
                                 on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("BeginSwitch", "s", SD_BUS_PARAM(volume), "", , on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("EndSwitch", "s", SD_BUS_PARAM(volume), "", , on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("LockReboot", "u", SD_BUS_PARAM(flags), "", , on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("Flush", "t", SD_BUS_PARAM(timeout_usec), "as", SD_BUS_PARAM(busy),
                                 on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("FlushInHook", "t", SD_BUS_PARAM(timeout_usec), "as", SD_BUS_PARAM(busy),
                                 on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("LastChance", "t", SD_BUS_PARAM(timeout_usec), "as", SD_BUS_PARAM(owed),
                                 on_method, ANYONE),
        SD_BUS_SIGNAL_WITH_NAMES("LastChanceProgress", "ta(ssssu)",
                                 SD_BUS_PARAM(left_usec) SD_BUS_PARAM(volumes), 0),
        SD_BUS_METHOD_WITH_NAMES("PrepareUnmount", "s", SD_BUS_PARAM(volume), "", , on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("Begin", "sss",
                                 SD_BUS_PARAM(volume) SD_BUS_PARAM(cache) SD_BUS_PARAM(instance), "t",
                                 SD_BUS_PARAM(cookie), on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("Done", "ti", SD_BUS_PARAM(cookie) SD_BUS_PARAM(status), "", , on_method,
                                 ANYONE),
        SD_BUS_METHOD_WITH_NAMES("History", "su", SD_BUS_PARAM(volume) SD_BUS_PARAM(max), "aa{sv}",
                                 SD_BUS_PARAM(builds), on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("Sources", "ss", SD_BUS_PARAM(volume) SD_BUS_PARAM(cache), "a(ssssts)",
                                 SD_BUS_PARAM(sources), on_method, ANYONE),
        SD_BUS_METHOD("Reload", "", "", on_method, ANYONE),
        SD_BUS_VTABLE_END,
};

/* The connection */

#define NAME_EXISTS 3U /* DBUS_REQUEST_NAME_REPLY_EXISTS */

int bus_new(const BusHandlers *handlers, void *userdata, Bus **ret) {
        assert(handlers && ret);
        Bus *b = calloc(1, sizeof(*b));
        if (!b)
                return error_origin(-ENOMEM);
        b->handlers = handlers;
        b->userdata = userdata;
        b->volumes = (BusVolumes){.source = &handlers->volumes, .userdata = userdata};
        *ret = b;
        return 0;
}

void bus_close(Bus *b) {
        b->bus = sd_bus_close_unref(b->bus);
}

sd_bus *bus_get_connection(const Bus *b) {
        return b->bus;
}

Bus *bus_free(Bus *b) {
        if (b) /* without a flush: a bus that does not read would delay the exit */
                bus_close(b);
        free(b);
        return NULL;
}

static int on_bus_name(Message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        uint32_t answer = 0;
        if (e)
                b->handlers->lost(b->userdata, -sd_bus_error_get_errno(e));
        else if (sd_bus_message_read(m, "u", &answer) < 0 || answer == NAME_EXISTS)
                b->handlers->lost(b->userdata, -EEXIST); /* another bootkeepd */
        else {
                b->handlers->ready(b->userdata);
                bus_unit_check(b->bus);
        }
        return 1;
}

static int on_bus_disconnected(Message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        b->handlers->lost(b->userdata, -ECONNRESET);
        return 1;
}

static int export_objects(Bus *b) {
        int r = sd_bus_add_object_vtable(b->bus, NULL, BOOTKEEP_OBJECT_PATH, BOOTKEEP_MANAGER_INTERFACE,
                                         manager_vtable, b);
        if (r >= 0)
                r = bus_volumes_export(&b->volumes, b->bus);
        if (r >= 0)
                r = sd_bus_add_object_manager(b->bus, NULL, BOOTKEEP_OBJECT_PATH);
        if (r >= 0)
                r = sd_bus_match_signal_async(b->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                              "org.freedesktop.DBus.Local", "Disconnected",
                                              on_bus_disconnected, NULL, b);
        return r;
}

int bus_open(Bus *b, sd_event *event) {
        int r = sd_bus_open_system_with_description(&b->bus, "bootkeepd");
        if (r >= 0)
                r = export_objects(b);
        if (r >= 0) /* or the end of the loop would flush it, and wait for a bus that does not respond */
                r = sd_bus_set_close_on_exit(b->bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(b->bus, event, BUS_PRIORITY);
        if (r >= 0)
                r = sd_bus_request_name_async(b->bus, NULL, BOOTKEEP_BUS_NAME, 0, on_bus_name, b);
        if (r < 0)
                bus_close(b);
        return r;
}

static char *volume_path(const char *name) {
        char *path = NULL;
        return sd_bus_path_encode(BOOTKEEP_VOLUME_PATH_PREFIX, name, &path) < 0 ? NULL : path;
}

void bus_volume_added(Bus *b, const char *name) {
        _cleanup_free_ char *path = volume_path(name);
        if (b->bus && path)
                (void) sd_bus_emit_object_added(b->bus, path);
}

void bus_volume_removed(Bus *b, const char *name) {
        _cleanup_free_ char *path = volume_path(name);
        if (b->bus && path)
                (void) sd_bus_emit_object_removed(b->bus, path);
}

void bus_volume_changed(Bus *b, const char *name, char **properties) {
        _cleanup_free_ char *path = volume_path(name);
        if (b->bus && path)
                (void) sd_bus_emit_properties_changed_strv(b->bus, path, BOOTKEEP_VOLUME_INTERFACE,
                                                           properties);
}

void bus_manager_changed(Bus *b, const char *property) {
        if (b->bus)
                (void) sd_bus_emit_properties_changed(b->bus, BOOTKEEP_OBJECT_PATH,
                                                      BOOTKEEP_MANAGER_INTERFACE, property, NULL);
}

void bus_build_finished(Bus *b, const char *name, int status, const char *summary) {
        _cleanup_free_ char *path = volume_path(name);
        if (b->bus && path)
                (void) sd_bus_emit_signal(b->bus, path, BOOTKEEP_VOLUME_INTERFACE, "BuildFinished", "is",
                                          status, summary);
}

static int append_owed_view(Message *m, const OwedView *view) {
        int r = sd_bus_message_open_container(m, 'r', "ssssu");
        if (r >= 0)
                r = bus_text_append(m, view->volume);
        if (r >= 0)
                r = bus_text_append(m, view->uuid);
        if (r >= 0)
                r = bus_text_append(m, view->doing);
        if (r >= 0)
                r = bus_text_append(m, view->reason);
        if (r >= 0)
                r = sd_bus_message_append(m, "u", view->percent);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

void bus_last_chance(Bus *b, uint64_t left_usec, const OwedView *views, size_t n) {
        _cleanup_(sd_bus_message_unrefp) Message *m = NULL;
        if (!b->bus)
                return;
        int r = sd_bus_message_new_signal(b->bus, &m, BOOTKEEP_OBJECT_PATH, BOOTKEEP_MANAGER_INTERFACE,
                                          "LastChanceProgress");
        if (r >= 0)
                r = sd_bus_message_append(m, "t", left_usec);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ssssu)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_owed_view(m, &views[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                (void) sd_bus_send(NULL, m, NULL);
}

void bus_owed_changed(Bus *b, bool all) {
        bus_manager_changed(b, "Owed");
        if (b->bus && all)
                bus_unit_owed_settled(b->bus);
}
