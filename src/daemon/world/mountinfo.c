/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mount table by /proc/self/mountinfo, for kernels that cannot tell what changed. The kernel reuses ids
 * at once: a mount that took the id of another is recognised by what it is. */

#include <libmount.h>

#include "base/error.h"
#include "daemon/world/mountsource.h"

typedef struct libmnt_table LibmountTable;
typedef struct libmnt_iter LibmountIter;
typedef struct libmnt_monitor LibmountMonitor;

DEFINE_CLEANUP(LibmountTable *, mnt_unref_table);
DEFINE_CLEANUP(LibmountIter *, mnt_free_iter);
DEFINE_CLEANUP(LibmountMonitor *, mnt_unref_monitor);

static int info_open(void **ret) {
        _cleanup_(mnt_unref_monitorp) LibmountMonitor *m = mnt_new_monitor();
        if (!m)
                return error_origin(-ENOMEM);
        int r = mnt_monitor_enable_kernel(m, 1);
        if (r >= 0)
                r = mnt_monitor_get_fd(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

static void info_close(void *source) {
        mnt_unref_monitor(source);
}

static int info_get_fd(const void *source) {
        return mnt_monitor_get_fd((LibmountMonitor *) source);
}

static int add_listed_mounts(MountSet *set, LibmountTable *table) {
        _cleanup_(mnt_free_iterp) LibmountIter *i = mnt_new_iter(MNT_ITER_FORWARD);
        struct libmnt_fs *fs;
        int r = i ? mount_set_begin(set) : error_origin(-ENOMEM);
        while (r >= 0 && mnt_table_next_fs(table, i, &fs) == 0) {
                MountFacts f;
                mount_facts_from_fs(fs, &f);
                r = mount_set_add(set, f.id, (uint64_t) mnt_fs_get_parent_id(fs), &f);
        }
        return r < 0 ? r : 0;
}

static int info_update(void *source, MountSet *set) {
        /* acknowledged before reading: what comes later wakes us again */
        int r = mnt_monitor_event_cleanup(source);
        if (r < 0)
                return r;
        _cleanup_(mnt_unref_tablep) LibmountTable *table = mnt_new_table();
        if (!table)
                return error_origin(-ENOMEM);
        r = mnt_table_parse_file(table, "/proc/self/mountinfo");
        return r < 0 ? r : add_listed_mounts(set, table);
}

const MountSource mount_info = {
        .name = "mountinfo",
        .open = info_open,
        .close = info_close,
        .get_fd = info_get_fd,
        .update = info_update,
};
