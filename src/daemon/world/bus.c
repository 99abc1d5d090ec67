/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/bus.h"

#include <stdarg.h>

#include "base/error.h"
#include "base/log.h"
#include "bootkeep.h"
#include "config.h"
#include "daemon/world/authority.h"

typedef sd_bus_message Message;

/* Behind all else: anybody may call, and as fast as he can, but nothing may wait for that. */
#define BUS_PRIORITY (SD_EVENT_PRIORITY_IDLE + 10)

struct Bus {
        sd_bus *bus; /* NULL while there is none */
        const BusHandlers *handlers;
        void *userdata;
        PeerSet *peers;
        Authority *authority;
        void *found; /* by volume_find(), for the getters that sd-bus calls right behind it */
};

/* Properties of a volume */

static BusVolume view_of(Bus *b, void *volume) {
        BusVolume v = {};
        b->handlers->view(volume, &v);
        return v;
}

static BusVolume view_found(Bus *b) {
        return view_of(b, b->found);
}

static int append_caches(Message *reply, const Report *r) {
        int e = sd_bus_message_open_container(reply, 'a', "(ssbs)");
        for (size_t i = 0; e >= 0 && r && i < r->n_caches; i++)
                e = sd_bus_message_append(reply, "(ssbs)", r->caches[i].name, r->caches[i].instance,
                                          r->caches[i].fresh, strempty(r->caches[i].reason));
        return e < 0 ? e : sd_bus_message_close_container(reply);
}

static int append_helpers(Message *reply, const Report *r) {
        int e = sd_bus_message_open_container(reply, 'a', "(sssbs)");
        for (size_t i = 0; e >= 0 && r && i < r->n_helpers; i++)
                e = sd_bus_message_append(reply, "(sssbs)", r->helpers[i].device, r->helpers[i].type,
                                          r->helpers[i].partuuid, r->helpers[i].fresh,
                                          strempty(r->helpers[i].reason));
        return e < 0 ? e : sd_bus_message_close_container(reply);
}

/* D-Bus carries UTF-8 alone; mount points, and names of volumes with their subvolumes, may hold any byte. */
static void make_ascii(char *s) {
        for (; *s; s++)
                if ((unsigned char) *s >= 0x80)
                        *s = '?';
}

static int append_text(Message *reply, const char *s) {
        int r = sd_bus_message_append(reply, "s", strempty(s));
        if (r != -EINVAL)
                return r;
        _cleanup_free_ char *safe = strdup(s);
        if (!safe)
                return error_origin(-ENOMEM);
        make_ascii(safe);
        return sd_bus_message_append(reply, "s", safe);
}

static int append_texts(Message *reply, char *const *v) {
        int r = sd_bus_message_open_container(reply, 'a', "s");
        for (; r >= 0 && v && *v; v++)
                r = append_text(reply, *v);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                    Message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        const struct {
                const char *property, *value;
        } texts[] = {
                {"Name", v.name},   {"Device", v.device},      {"MountPoint", v.mount_point},
                {"UUID", v.uuid},   {"Manifest", v.manifest},  {"FileSystemType", v.fstype},
                {"State", v.state}, {"StateReason", v.reason}, {"LockHolder", v.lock_holder},
        };
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (streq(property, texts[i].property))
                        return append_text(reply, texts[i].value);
        return error_origin(-EINVAL);
}

static int get_bool(sd_bus *bus, const char *path, const char *interface, const char *property,
                    Message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        return sd_bus_message_append(reply, "b", streq(property, "Busy") ? v.busy : v.trusted);
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                      Message *reply, void *userdata, sd_bus_error *error) {
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

static int get_build(sd_bus *bus, const char *path, const char *interface, const char *property,
                     Message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        if (streq(property, "LastBuildStart"))
                return sd_bus_message_append(reply, "t", v.last_build_start);
        if (streq(property, "LastBuildEnd"))
                return sd_bus_message_append(reply, "t", v.last_build_end);
        return sd_bus_message_append(reply, "i", v.last_build_status);
}

static int get_report(sd_bus *bus, const char *path, const char *interface, const char *property,
                      Message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        return streq(property, "Caches") ? append_caches(reply, v.report) : append_helpers(reply, v.report);
}

static int get_progress(sd_bus *bus, const char *path, const char *interface, const char *property,
                        Message *reply, void *userdata, sd_bus_error *error) {
        BusVolume v = view_found(userdata);
        return sd_bus_message_append(reply, "(tt)", v.progress_done, v.progress_of);
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable volume_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", get_text, 0, CHANGES),
        SD_BUS_PROPERTY("Device", "s", get_text, 0, CHANGES),
        SD_BUS_PROPERTY("MountPoint", "s", get_text, 0, CHANGES),
        SD_BUS_PROPERTY("FileSystemType", "s", get_text, 0, CHANGES),
        SD_BUS_PROPERTY("UUID", "s", get_text, 0, CHANGES),
        SD_BUS_PROPERTY("Manifest", "s", get_text, 0, CHANGES),
        SD_BUS_PROPERTY("State", "s", get_text, 0, CHANGES),
        SD_BUS_PROPERTY("StateReason", "s", get_text, 0, CHANGES),
        SD_BUS_PROPERTY("Busy", "b", get_bool, 0, CHANGES),
        SD_BUS_PROPERTY("Trusted", "b", get_bool, 0, CHANGES),
        SD_BUS_PROPERTY("LockHolder", "s", get_text, 0, CHANGES),
        SD_BUS_PROPERTY("LockHolderPID", "u", get_number, 0, CHANGES),
        SD_BUS_PROPERTY("LockWaiters", "u", get_number, 0, CHANGES),
        SD_BUS_PROPERTY("Failures", "u", get_number, 0, CHANGES),
        SD_BUS_PROPERTY("Attempts", "u", get_number, 0, CHANGES),
        SD_BUS_PROPERTY("LastBuildStart", "t", get_build, 0, CHANGES),
        SD_BUS_PROPERTY("LastBuildEnd", "t", get_build, 0, CHANGES),
        SD_BUS_PROPERTY("LastBuildStatus", "i", get_build, 0, CHANGES),
        SD_BUS_PROPERTY("Caches", "a(ssbs)", get_report, 0, CHANGES),
        SD_BUS_PROPERTY("Helpers", "a(sssbs)", get_report, 0, CHANGES),
        SD_BUS_PROPERTY("Progress", "(tt)", get_progress, 0, CHANGES),
        SD_BUS_SIGNAL_WITH_NAMES("BuildFinished", "is", SD_BUS_PARAM(status) SD_BUS_PARAM(summary), 0),
        SD_BUS_VTABLE_END,
};

static int volume_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                       sd_bus_error *error) {
        Bus *b = userdata;
        _cleanup_free_ char *name = NULL;
        int r = sd_bus_path_decode(path, BOOTKEEP_VOLUME_PATH_PREFIX, &name);
        if (r <= 0)
                return r;
        void *volume = b->handlers->find(b->userdata, name);
        if (!volume)
                return 0;
        b->found = volume;
        *ret = b;
        return 1;
}

static int volume_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret,
                            sd_bus_error *error) {
        Bus *b = userdata;
        _cleanup_strv_free_ char **paths = NULL;
        for (void *v = b->handlers->next(b->userdata, NULL); v; v = b->handlers->next(b->userdata, v)) {
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

/* The manager */

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
        if (streq(property, "BusyVolumes"))
                return append_texts(reply, busy);
        if (streq(property, "RebootLocked"))
                return sd_bus_message_append(reply, "b", m.reboot_locked);
        if (streq(property, "RebootLockHolder"))
                return sd_bus_message_append(reply, "s", strempty(m.reboot_lock_holder));
        return sd_bus_message_append(reply, "u", m.reboot_waiters);
}

static const struct {
        const char *member, *signature;
        BusVerb verb;
        bool changes; /* so it needs the right to */
} verbs[] = {
        {"Scan", "s", BUS_SCAN, true},
        {"Rebuild", "su", BUS_REBUILD, true},
        {"Trust", "s", BUS_TRUST, true},
        {"Distrust", "s", BUS_DISTRUST, true},
        {"GetVolume", "s", BUS_GET_VOLUME, false},
        {"Reload", "", BUS_RELOAD, true},
        {"LockVolume", "su", BUS_LOCK_VOLUME, true},
        {"UnlockVolume", "si", BUS_UNLOCK_VOLUME, true},
        {"LockReboot", "u", BUS_LOCK_REBOOT, true},
        {"Flush", "t", BUS_FLUSH, true},
        {"PrepareUnmount", "s", BUS_PREPARE_UNMOUNT, true},
};

static int read_arguments(Message *m, const char *signature, BusArguments *ret) {
        int r = sd_bus_message_rewind(m, true);
        for (; r >= 0 && *signature; signature++)
                switch (*signature) {
                case 's':
                        r = sd_bus_message_read(m, "s", &ret->volume);
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

static int command(Bus *b, size_t verb, Message *m, const Peer *peer) {
        BusArguments arguments = {};
        int r = read_arguments(m, verbs[verb].signature, &arguments);
        if (r >= 0)
                b->handlers->command(b->userdata, verbs[verb].verb, &arguments, peer, m);
        return r < 0 ? r : 1;
}

static size_t verb_of(Message *m) {
        size_t i = 0;
        while (i < ELEMENTSOF(verbs) && !streq(sd_bus_message_get_member(m), verbs[i].member))
                i++;
        return i;
}

static void deny(Message *m) {
        bus_reply_error(m, SD_BUS_ERROR_ACCESS_DENIED,
                        "%s needs root's rights, or polkit's org.bootkeep1.manage",
                        sd_bus_message_get_member(m));
}

/* polkit has answered; the caller may have gone meanwhile. */
static void on_authority(void *userdata, Message *m, bool allowed) {
        Bus *b = userdata;
        const Peer *peer;
        size_t verb = verb_of(m);
        if (!allowed || peer_set_look_up(b->peers, m, &peer) < 0) {
                deny(m);
                return;
        }
        int r = command(b, verb, m, peer);
        if (r < 0)
                bus_reply_error(m, SD_BUS_ERROR_FAILED, "%s", strerror(-r));
}

static int on_method(Message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        const Peer *peer = NULL;
        size_t verb = verb_of(m);
        if (verb == ELEMENTSOF(verbs))
                return 0;
        if (!verbs[verb].changes)
                return command(b, verb, m, NULL);
        int r = peer_set_look_up(b->peers, m, &peer);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                         "You cannot be told apart from others");
        if (peer->uid == 0)
                return command(b, verb, m, peer);
        if (authority_ask(b->authority, m, on_authority, b) < 0)
                deny(m);
        return 1;
}

#define ANYONE SD_BUS_VTABLE_UNPRIVILEGED /* on_method() asks for rights itself */

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_manager, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Watching", "b", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("BusyVolumes", "as", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("RebootLocked", "b", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("RebootLockHolder", "s", get_manager, 0, CHANGES),
        SD_BUS_PROPERTY("RebootWaiters", "u", get_manager, 0, CHANGES),
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
        SD_BUS_METHOD_WITH_NAMES("LockReboot", "u", SD_BUS_PARAM(flags), "", , on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("Flush", "t", SD_BUS_PARAM(timeout_usec), "as", SD_BUS_PARAM(busy),
                                 on_method, ANYONE),
        SD_BUS_METHOD_WITH_NAMES("PrepareUnmount", "s", SD_BUS_PARAM(volume), "", , on_method, ANYONE),
        SD_BUS_METHOD("Reload", "", "", on_method, ANYONE),
        SD_BUS_VTABLE_END,
};

/* The connection */

#define NAME_EXISTS 3U /* DBUS_REQUEST_NAME_REPLY_EXISTS */

static void on_peer_gone(void *userdata, const Peer *peer) {
        Bus *b = userdata;
        b->handlers->peer_gone(b->userdata, peer);
}

int bus_new(const BusHandlers *handlers, void *userdata, Bus **ret) {
        _cleanup_(bus_freep) Bus *b = calloc(1, sizeof(*b));
        if (!b)
                return error_origin(-ENOMEM);
        b->handlers = handlers;
        b->userdata = userdata;
        int r = peer_set_new(on_peer_gone, b, &b->peers);
        if (r >= 0)
                r = authority_new(&b->authority);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(b);
        return 0;
}

const Peer *bus_find_peer(const Bus *b, uint64_t id) {
        return peer_set_find(b->peers, id);
}

void bus_close(Bus *b) {
        if (b->peers)
                peer_set_clear(b->peers); /* with the bus everybody on it is gone */
        if (b->authority)
                authority_clear(b->authority);
        b->bus = sd_bus_close_unref(b->bus);
}

Bus *bus_free(Bus *b) {
        if (b) { /* without a flush: a bus that does not read would hold up the end */
                bus_close(b);
                peer_set_free(b->peers);
                authority_free(b->authority);
        }
        free(b);
        return NULL;
}

static int on_name(Message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        uint32_t answer = 0;
        if (e)
                b->handlers->lost(b->userdata, -sd_bus_error_get_errno(e));
        else if (sd_bus_message_read(m, "u", &answer) < 0 || answer == NAME_EXISTS)
                b->handlers->lost(b->userdata, -EEXIST); /* another bootkeepd */
        else
                b->handlers->ready(b->userdata);
        return 1;
}

static int on_disconnected(Message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        b->handlers->lost(b->userdata, -ECONNRESET);
        return 1;
}

static int export(Bus *b) {
        int r = sd_bus_add_object_vtable(b->bus, NULL, BOOTKEEP_OBJECT_PATH, BOOTKEEP_MANAGER_INTERFACE,
                                         manager_vtable, b);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(b->bus, NULL, BOOTKEEP_VOLUME_PATH_PREFIX,
                                               BOOTKEEP_VOLUME_INTERFACE, volume_vtable, volume_find, b);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(b->bus, NULL, BOOTKEEP_VOLUME_PATH_PREFIX, volume_enumerate,
                                               b);
        if (r >= 0)
                r = sd_bus_add_object_manager(b->bus, NULL, BOOTKEEP_OBJECT_PATH);
        if (r >= 0)
                r = sd_bus_match_signal_async(b->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                              "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                                              NULL, b);
        return r;
}

int bus_open(Bus *b, sd_event *event) {
        int r = sd_bus_open_system_with_description(&b->bus, "bootkeepd");
        if (r >= 0)
                r = export(b);
        if (r >= 0) /* or the end of the loop would flush it, and wait for a bus that does not answer */
                r = sd_bus_set_close_on_exit(b->bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(b->bus, event, BUS_PRIORITY);
        if (r >= 0)
                r = sd_bus_request_name_async(b->bus, NULL, BOOTKEEP_BUS_NAME, 0, on_name, b);
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

void bus_reply(BusCall *call) {
        (void) sd_bus_reply_method_return(call, "");
}

void bus_reply_string(BusCall *call, const char *s) {
        (void) sd_bus_reply_method_return(call, "s", s);
}

void bus_reply_strings(BusCall *call, char **strings) {
        _cleanup_(sd_bus_message_unrefp) Message *m = NULL;
        if (sd_bus_message_new_method_return(call, &m) >= 0 && append_texts(m, strings) >= 0)
                (void) sd_bus_send(NULL, m, NULL);
}

void bus_reply_volume(BusCall *call, const char *name) {
        _cleanup_free_ char *path = volume_path(name);
        if (path)
                (void) sd_bus_reply_method_return(call, "o", path);
}

void bus_reply_error(BusCall *call, const char *error, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        if (sd_bus_reply_method_errorf(call, error, "%s", strempty(text)) != -EINVAL || !text)
                return;
        make_ascii(text);
        (void) sd_bus_reply_method_errorf(call, error, "%s", text);
}
