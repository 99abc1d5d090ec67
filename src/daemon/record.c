/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/record.h"

#include "base/error.h"
#include "base/path.h"
#include "daemon/world/pin.h"

int record_new(struct Driver *driver, const char *name, Record **ret) {
        assert(!isempty(name));
        _cleanup_(record_freep) Record *record = calloc(1, sizeof(*record));
        if (!record)
                return error_origin(-ENOMEM);
        TAILQ_INIT(&record->waiters);
        record->driver = driver;
        record->pin = -EBADF;
        record->volume = volume_init(false);
        record->told_state = record->told_rested = _VOLUME_STATE_MAX; /* nothing was reported yet */
        record->name = strdup(name);
        if (!record->name)
                return error_origin(-ENOMEM);
        *ret = TAKE_PTR(record);
        return 0;
}

Record *record_free(Record *record) {
        if (!record)
                return NULL;
        assert(TAILQ_EMPTY(&record->waiters) && !record->lock.line);
        sd_event_source_disable_unref(record->timer);
        sd_event_source_disable_unref(record->watch_source);
        running_done(&record->scan);
        running_done(&record->build);
        opening_done(&record->opening);
        for (size_t i = 0; i < record->n_mounts; i++)
                mount_entry_done(&record->mounts[i]);
        free(record->mounts);
        device_info_done(&record->device);
        watch_free(record->watch);
        report_free(record->report);
        pin_release(record->pin);
        free(record->unwatched);
        free(record->problem);
        free(record->failure);
        free(record->build_why);
        free(record->put_off);
        free(record->built_from);
        free(record->reason);
        free(record->name);
        free(record);
        return NULL;
}

int record_set_mount(Record *record, const MountEntry *entry) {
        _cleanup_(mount_entry_done) MountEntry copy = MOUNT_ENTRY_NULL;
        int r = mount_entry_copy(entry, &copy);
        if (r < 0)
                return r;
        size_t i = 0;
        while (i < record->n_mounts && record->mounts[i].id != entry->id)
                i++;
        if (i == record->n_mounts) {
                if (grow(record->mounts, record->n_mounts) < 0)
                        return error_origin(-ENOMEM);
                record->mounts[record->n_mounts++] = MOUNT_ENTRY_NULL;
        }
        mount_entry_done(&record->mounts[i]);
        record->mounts[i] = copy;
        copy = MOUNT_ENTRY_NULL;
        return 0;
}

int record_drop_mount(Record *record, uint64_t id) {
        MountEntry *mounts = record->mounts;
        for (size_t i = 0; i < record->n_mounts; i++) {
                if (mounts[i].id != id)
                        continue;
                mount_entry_done(&mounts[i]);
                memmove(mounts + i, mounts + i + 1, (record->n_mounts - i - 1) * sizeof(*mounts));
                record->n_mounts--;
                return 1;
        }
        return 0;
}

const MountEntry *record_mount(const Record *record) {
        return record->n_mounts > 0 ? record->mounts : NULL;
}

bool record_is_running_system(const Record *record) {
        for (size_t i = 0; i < record->n_mounts; i++)
                if (streq(record->mounts[i].target, "/"))
                        return true;
        return false;
}

bool record_build_waits(const Record *record) {
        return record->build.report && record->build.report->waiting;
}

const char *record_obstacle(const Record *record) {
        return record->no_bus ? record->no_bus : report_cover(record->report);
}

const char *record_block(const Record *record) {
        return record->unread ? record->unread : record_obstacle(record);
}

void record_follow_block(Record *record) {
        volume_hold(&record->volume, VOLUME_HOLD_BLOCKED, record_block(record));
}

bool record_has_place(const Record *record, const char *path) {
        assert(record && path);
        if (running_runs(&record->scan))
                return true;
        for (char **place = record->report ? record->report->places : NULL; place && *place; place++)
                if (path_meets(*place, path))
                        return true;
        return false;
}
