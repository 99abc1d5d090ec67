/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mount table by /proc/PID/mountinfo, for kernels that cannot tell what changed, and for the mounts of
 * another namespace. The kernel reuses ids at once: a mount that took the id of another is recognised by what
 * it is. */

#include <fcntl.h>
#include <libmount.h>
#include <sys/epoll.h>

#include "base/error.h"
#include "daemon/world/mountsource.h"

typedef struct libmnt_table LibmountTable;
typedef struct libmnt_iter LibmountIter;

DEFINE_CLEANUP(LibmountTable *, mnt_unref_table);
DEFINE_CLEANUP(LibmountIter *, mnt_free_iter);

typedef struct MountInfo {
        char *path;
        int file, poll;
} MountInfo;

static void info_close(void *source) {
        MountInfo *i = source;
        closep(&i->file);
        closep(&i->poll);
        free(i->path);
        free(i);
}

DEFINE_CLEANUP(MountInfo *, info_close);

/* Edge-triggered: it is always readable, but a poller is woken by each change. */
static int info_poll(MountInfo *i) {
        struct epoll_event changes = {.events = EPOLLIN | EPOLLET};
        i->poll = epoll_create1(EPOLL_CLOEXEC);
        return i->poll < 0 || epoll_ctl(i->poll, EPOLL_CTL_ADD, i->file, &changes) < 0 ? error_origin(-errno)
                                                                                       : 0;
}

static int info_open(const char *table, void **ret) {
        _cleanup_(info_closep) MountInfo *i = calloc(1, sizeof(*i));
        if (!i)
                return error_origin(-ENOMEM);
        i->file = i->poll = -EBADF;
        if (free_and_strdup(&i->path, table) < 0)
                return error_origin(-ENOMEM);
        i->file = open(table, O_RDONLY | O_CLOEXEC);
        if (i->file < 0)
                return error_origin(-errno);
        int r = info_poll(i);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(i);
        return 0;
}

static int info_get_fd(const void *source) {
        return ((const MountInfo *) source)->poll;
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
        const MountInfo *i = source;
        struct epoll_event change;
        /* acknowledged before reading: what comes later wakes us again */
        if (epoll_wait(i->poll, &change, 1, 0) < 0)
                return error_origin(-errno);
        _cleanup_(mnt_unref_tablep) LibmountTable *table = mnt_new_table();
        if (!table)
                return error_origin(-ENOMEM);
        int r = mnt_table_parse_file(table, i->path);
        return r < 0 ? r : add_listed_mounts(set, table);
}

const MountSource mount_info = {
        .name = "mountinfo",
        .open = info_open,
        .close = info_close,
        .get_fd = info_get_fd,
        .update = info_update,
};
