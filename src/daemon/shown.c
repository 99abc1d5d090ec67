/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/shown.h"

#include "base/error.h"
#include "daemon/statetext.h"

typedef enum PropertyType {
        PROPERTY_TEXT,
        PROPERTY_BOOL,
        PROPERTY_UNSIGNED,
} PropertyType;

/* Those that events change. What a child changes is reported where it is read (news_tell_properties()). */
static const struct {
        const char *name;
        size_t offset; /* in BusVolume */
        PropertyType type;
} properties[] = {
        {"State", offsetof(BusVolume, state), PROPERTY_TEXT},
        {"Busy", offsetof(BusVolume, busy), PROPERTY_BOOL},
        {"Trusted", offsetof(BusVolume, trusted), PROPERTY_BOOL},
        {"Failures", offsetof(BusVolume, failures), PROPERTY_UNSIGNED},
        {"Attempts", offsetof(BusVolume, attempts), PROPERTY_UNSIGNED},
        {"LastFailure", offsetof(BusVolume, last_failure), PROPERTY_TEXT},
        {"StateReason", offsetof(BusVolume, reason), PROPERTY_TEXT},
        {"Manifest", offsetof(BusVolume, manifest), PROPERTY_TEXT},
        {"MountPoint", offsetof(BusVolume, mount_point), PROPERTY_TEXT},
        {"Device", offsetof(BusVolume, device), PROPERTY_TEXT},
        {"UUID", offsetof(BusVolume, uuid), PROPERTY_TEXT},
        {"LockHolder", offsetof(BusVolume, lock_holder), PROPERTY_TEXT},
        {"LockHolderPID", offsetof(BusVolume, lock_holder_pid), PROPERTY_UNSIGNED},
        {"LockWaiters", offsetof(BusVolume, lock_waiters), PROPERTY_UNSIGNED},
};
_Static_assert(ELEMENTSOF(properties) == RECORD_PROPERTIES, "one hash for each property");

static const char *device_of(const Record *record) {
        const MountEntry *m = record_mount(record);
        return record->device.node ? record->device.node : m ? m->node : NULL;
}

void shown_view(const Record *record, const Peer *holder, BusVolume *ret) {
        const MountEntry *m = record_mount(record);
        const Report *doing = record->build.report;
        *ret = (BusVolume){
                .name = record->name,
                .device = strempty(device_of(record)),
                .mount_point = m ? m->target : "",
                .fstype = m ? m->fstype : "",
                .uuid = record->device.uuid,
                .manifest = record->report ? record->report->manifest : NULL,
                .state = volume_state_to_string(record->volume.state),
                .reason = record->reason,
                .busy = volume_busy(&record->volume),
                .trusted = record->volume.trusted,
                .lock_holder = holder ? holder->name : NULL,
                .lock_holder_pid = holder ? (unsigned) holder->pid : 0,
                .lock_waiters = lock_waiters(&record->lock),
                .failures = record->volume.failures,
                .attempts = record->volume.attempts,
                .last_failure = record->volume.failures > 0 ? record->failure : NULL,
                .last_build_start = record->last_build_start,
                .last_build_end = record->last_build_end,
                .last_build_status = record->last_build_status,
                .report = record->report,
                .progress_done = doing ? doing->progress_done : 0,
                .progress_of = doing ? doing->progress_of : 0,
        };
}

/* FNV-1a. Never 0, which means never reported. */
static uint64_t hash_bytes(const void *data, size_t size) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (const unsigned char *p = data, *end = p + size; p < end; p++)
                hash = (hash ^ *p) * UINT64_C(0x100000001b3);
        return hash ? hash : 1;
}

static uint64_t hash_property(const BusVolume *v, size_t i) {
        const void *field = (const char *) v + properties[i].offset;
        const char *text;
        switch (properties[i].type) {
        case PROPERTY_TEXT:
                text = strempty(*(const char *const *) field);
                return hash_bytes(text, strlen(text));
        case PROPERTY_BOOL:
                return hash_bytes(field, sizeof(bool));
        case PROPERTY_UNSIGNED:
                return hash_bytes(field, sizeof(unsigned));
        }
        return 1;
}

int shown_take_changes(Record *record, const Peer *holder, char ***ret) {
        _cleanup_strv_free_ char **names = NULL;
        uint64_t now[RECORD_PROPERTIES];
        BusVolume view;
        char *reason = statetext_of(record);
        if (!reason)
                return error_origin(-ENOMEM);
        free(record->reason);
        record->reason = reason;
        shown_view(record, holder, &view);
        for (size_t i = 0; i < RECORD_PROPERTIES; i++) {
                now[i] = hash_property(&view, i);
                if (now[i] != record->shown[i] && strv_extend(&names, properties[i].name) < 0)
                        return error_origin(-ENOMEM);
        }
        memcpy(record->shown, now, sizeof(now));
        *ret = TAKE_PTR(names);
        return 0;
}
