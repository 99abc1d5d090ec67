/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/disks.h"

#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/path.h"
#include "helper/sysfs.h"

#define STACK_MAX 16U /* devices stacked on each other */

void disk_list_done(DiskList *l) {
        strv_free(l->directories);
        strv_free(l->gone);
        *l = DISK_LIST_NULL;
}

static int add_once(char ***v, const char *s) {
        return strv_contains(*v, s) ? 0 : strv_extend(v, s);
}

static int disk_list_collect(DiskList *l, const char *directory, unsigned depth);

/* The member NAME, which the link DIRECTORY/NAME points to. */
static int disk_list_collect_member(DiskList *l, const char *directory, const char *name, unsigned depth) {
        _cleanup_free_ char *member = NULL;
        dev_t devno;
        int r = sysfs_follow(directory, name, &member);
        if (r >= 0)
                r = sysfs_read_devno(member, &devno);
        if (r >= 0)
                return disk_list_collect(l, member, depth);
        return sysfs_is_gone(r) ? add_once(&l->gone, path_last(name)) : r;
}

/* The disks below the device of DIRECTORY: its own, and those of the devices that it is made of. */
static int disk_list_collect(DiskList *l, const char *directory, unsigned depth) {
        _cleanup_strv_free_ char **slaves = NULL;
        _cleanup_free_ char *whole = strdup(directory), *below = NULL;
        if (!whole)
                return error_origin(-ENOMEM);
        if (depth > STACK_MAX)
                return error_origin(-ELOOP);
        bool partition = sysfs_is_partition(directory);
        if (partition)
                (void) path_cut_last(whole);
        int r = sysfs_list(whole, "slaves", &slaves);
        if (r < 0)
                return r;
        /* A device made of others has a table of its own only if the volume is a partition of it. And a
         * device that is as a whole a member of another has none: the table seen there is that of the
         * other. */
        if (partition || (!slaves && depth == 0))
                r = add_once(&l->directories, whole);
        if (r >= 0)
                r = strprintf(&below, "%s/slaves", whole);
        for (size_t i = 0; r >= 0 && slaves && slaves[i]; i++)
                r = disk_list_collect_member(l, below, slaves[i], depth + 1);
        return r;
}

/* The members of the btrfs that DEVICE (the name of its folder) belongs to; only DEVICE if it belongs to
 * none. */
static int list_btrfs_members(const char *sysfs, const char *device, char ***ret) {
        _cleanup_strv_free_ char **filesystems = NULL;
        int r = sysfs_list(sysfs, "fs/btrfs", &filesystems);
        if (r < 0)
                return r;
        for (size_t i = 0; filesystems && filesystems[i]; i++) {
                _cleanup_strv_free_ char **members = NULL;
                _cleanup_free_ char *name = NULL;
                r = strprintf(&name, "fs/btrfs/%s/devices", filesystems[i]);
                if (r >= 0)
                        r = sysfs_list(sysfs, name, &members);
                if (r < 0)
                        return r;
                if (strv_contains(members, device)) {
                        *ret = TAKE_PTR(members);
                        return 0;
                }
        }
        return strv_extend(ret, device);
}

static int compare_versions(const void *a, const void *b) {
        return strverscmp(*(char *const *) a, *(char *const *) b);
}

int disk_list_find(const char *sysfs, dev_t volume, DiskList *ret) {
        _cleanup_(disk_list_done) DiskList l = DISK_LIST_NULL;
        _cleanup_strv_free_ char **members = NULL;
        _cleanup_free_ char *directory = NULL, *classes = NULL;
        char link[64];
        assert(sysfs && ret);
        (void) snprintf(link, sizeof(link), "dev/block/%u:%u", major(volume), minor(volume));
        int r = sysfs_follow(sysfs, link, &directory);
        if (r >= 0)
                r = list_btrfs_members(sysfs, path_last(directory), &members);
        if (r >= 0)
                r = strprintf(&classes, "%s/class/block", sysfs);
        for (size_t i = 0; r >= 0 && members[i]; i++)
                r = disk_list_collect_member(&l, classes, members[i], 0);
        if (r < 0)
                return r;
        if (l.directories)
                qsort(l.directories, strv_length(l.directories), sizeof(*l.directories), compare_versions);
        *ret = l;
        l = DISK_LIST_NULL;
        return 0;
}
