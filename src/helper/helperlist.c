/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Helpers are found, never guessed: on each disk below the volume, from its partition table, and a partition
 * counts only if the kernel agrees with the table about where it starts. */

#include "helper/helperlist.h"

#include <blkid.h>

#include "base/error.h"
#include "helper/disks.h"
#include "helper/sysfs.h"

DEFINE_CLEANUP(blkid_probe, blkid_free_probe);

static const struct {
        HelperType type;
        const char *guid;
} partition_types[] = {
        {HELPER_ESP, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"},
        {HELPER_XBOOTLDR, "bc13c2ff-59e6-4262-a352-b275fd6f7172"},
};

/* A disk whose table is being read. */
typedef struct TableDisk {
        const char *directory; /* in sysfs */
        char *name, *node;
} TableDisk;

static void table_disk_done(TableDisk *d) {
        free(d->name);
        free(d->node);
}

HelperList *helper_list_free(HelperList *l) {
        if (!l)
                return NULL;
        for (size_t i = 0; i < l->n; i++)
                helper_done(&l->items[i]);
        free(l->items);
        strv_free(l->notes);
        free(l);
        return NULL;
}

/* Notes that DEVICE was left out because of the error R. */
static int helper_list_note_error(HelperList *l, const char *device, const char *what, int r) {
        assert(r < 0);
        return strv_extendf(&l->notes, "%s: %s: %s", device, what, strerror(-r));
}

/* The folder in sysfs of the partition NUMBER of DISK that starts at START (512-byte sectors). */
static int find_partition(const char *disk, uint64_t number, uint64_t start, char **ret) {
        _cleanup_strv_free_ char **names = NULL;
        int r = sysfs_list(disk, ".", &names);
        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                _cleanup_free_ char *directory = NULL;
                uint64_t n, s;
                r = strprintf(&directory, "%s/%s", disk, names[i]);
                if (r >= 0 && sysfs_read_number(directory, "partition", &n) >= 0 && n == number &&
                    sysfs_read_number(directory, "start", &s) >= 0 && s == start) {
                        *ret = TAKE_PTR(directory);
                        return 0;
                }
        }
        return r < 0 ? r : -ENOENT;
}

/* The folder in sysfs of what is on a partition: its own, or that of the array that it is a member of.
 * -EBUSY: something else uses it. */
static int find_top(const char *directory, char **ret) {
        _cleanup_strv_free_ char **holders = NULL;
        _cleanup_free_ char *name = NULL, *top = NULL, *array = NULL;
        int r = sysfs_list(directory, "holders", &holders);
        if (r < 0)
                return r;
        if (!holders) {
                *ret = strdup(directory);
                return *ret ? 0 : error_origin(-ENOMEM);
        }
        if (holders[1])
                return -EBUSY;
        r = strprintf(&name, "holders/%s", holders[0]);
        if (r >= 0)
                r = sysfs_follow(directory, name, &top);
        if (r >= 0)
                r = strprintf(&array, "%s/md", top);
        if (r < 0)
                return r;
        if (access(array, F_OK) < 0)
                return -EBUSY;
        *ret = TAKE_PTR(top);
        return 0;
}

/* DIRECTORY is that of the partition or array. An unreadable file system is noted; it is a helper
 * nevertheless. */
static int fill_helper(HelperList *l, Helper *h, const char *directory, const char *partuuid) {
        int r = sysfs_read_devno(directory, &h->devno);
        if (r >= 0)
                r = sysfs_device_name(directory, &h->device);
        if (r >= 0)
                r = strprintf(&h->node, "/dev/%s", h->device);
        if (r >= 0)
                r = free_and_strdup(&h->partuuid, partuuid);
        if (r < 0)
                return r;
        r = helper_probe_filesystem(h);
        return r < 0 && r != -ENOMEM ? helper_list_note_error(l, h->device, "cannot be read", r) : r;
}

static int helper_list_add(HelperList *l, Helper *h) {
        if (grow(l->items, l->n) < 0)
                return error_origin(-ENOMEM);
        l->items[l->n++] = *h;
        *h = HELPER_NULL;
        return 0;
}

static int note_unknown_partition(HelperList *l, const TableDisk *disk, int number) {
        return strv_extendf(&l->notes,
                            "%s: partition %i is in the table, but not known to the kernel (partx -u %s)",
                            disk->name, number, disk->node);
}

/* Adds the partition if it is a helper that may be used; for a member of an array, adds the array. */
static int add_partition(HelperList *l, const TableDisk *disk, HelperType type, blkid_partition partition) {
        _cleanup_(helper_done) Helper h = {.type = type};
        _cleanup_free_ char *directory = NULL, *top = NULL;
        int number = blkid_partition_get_partno(partition);
        const char *partuuid = blkid_partition_get_uuid(partition);
        int r = find_partition(disk->directory, (uint64_t) number,
                               (uint64_t) blkid_partition_get_start(partition), &directory);
        if (r == -ENOENT || !partuuid)
                return note_unknown_partition(l, disk, number);
        if (r >= 0)
                r = find_top(directory, &top);
        if (r == -EBUSY)
                return 0;
        if (r >= 0)
                r = free_and_strdup(&h.disk, disk->name);
        if (r >= 0)
                r = fill_helper(l, &h, top, partuuid);
        if (sysfs_is_gone(r))
                return strv_extendf(&l->notes, "%s: partition %i is gone", disk->name, number);
        return r < 0 ? r : helper_list_add(l, &h);
}

static int find_partition_type(blkid_partition partition) {
        const char *guid = blkid_partition_get_type_string(partition);
        for (size_t i = 0; guid && i < ELEMENTSOF(partition_types); i++)
                if (strcasecmp(guid, partition_types[i].guid) == 0)
                        return partition_types[i].type;
        return _HELPER_TYPE_INVALID;
}

/* In the order of a GPT, which is that of their numbers. */
static int add_partitions(HelperList *l, const TableDisk *disk, blkid_partlist list) {
        int r = 0;
        for (int i = 0; r >= 0 && i < blkid_partlist_numof_partitions(list); i++) {
                blkid_partition partition = blkid_partlist_get_partition(list, i);
                int type = find_partition_type(partition);
                if (type >= 0)
                        r = add_partition(l, disk, (HelperType) type, partition);
        }
        return r;
}

/* Adds the helpers of the disk that FD refers to, if it has a GPT: no other table has such types. */
static int add_from_table(HelperList *l, const TableDisk *disk, int fd) {
        _cleanup_(blkid_free_probep) blkid_probe probe = blkid_new_probe();
        if (!probe)
                return error_origin(-ENOMEM);
        bool attached = blkid_probe_set_device(probe, fd, 0, 0) >= 0;
        blkid_partlist list = attached ? blkid_probe_get_partitions(probe) : NULL;
        return list ? add_partitions(l, disk, list) : 0;
}

static int add_disk_helpers(HelperList *l, const char *directory) {
        _cleanup_(table_disk_done) TableDisk disk = {.directory = directory};
        _cleanup_close_ int fd = -EBADF;
        dev_t devno;
        int r = sysfs_device_name(directory, &disk.name);
        if (r >= 0)
                r = strprintf(&disk.node, "/dev/%s", disk.name);
        if (r < 0)
                return r;
        r = sysfs_read_devno(directory, &devno);
        if (r >= 0)
                r = helper_open_device(disk.node, devno, &fd);
        return r < 0 ? helper_list_note_error(l, disk.name, "cannot read the partition table", r)
                     : add_from_table(l, &disk, fd);
}

static void note_xbootldr(HelperList *l) {
        for (size_t i = 0; i < l->n; i++)
                for (size_t j = 0; j < l->n; j++)
                        if (l->items[j].type == HELPER_XBOOTLDR && streq(l->items[i].disk, l->items[j].disk))
                                l->items[i].disk_has_xbootldr = true;
}

/* An array is on the disk of each of its members, but is one helper. */
static void drop_repeated(HelperList *l) {
        size_t n = 0;
        for (size_t i = 0; i < l->n; i++) {
                size_t j = 0;
                while (j < n && l->items[j].devno != l->items[i].devno)
                        j++;
                if (j < n)
                        helper_done(&l->items[i]);
                else
                        l->items[n++] = l->items[i];
        }
        l->n = n;
}

int helper_list_new(const char *sysfs, dev_t volume, HelperList **ret) {
        _cleanup_(helper_list_freep) HelperList *l = calloc(1, sizeof(*l));
        _cleanup_(disk_list_done) DiskList disks = DISK_LIST_NULL;
        assert(sysfs && ret);
        if (!l)
                return error_origin(-ENOMEM);
        int r = disk_list_find(sysfs, volume, &disks);
        for (size_t i = 0; r >= 0 && disks.gone && disks.gone[i]; i++)
                r = strv_extendf(&l->notes, "%s is gone, its disk is not searched for helpers",
                                 disks.gone[i]);
        for (size_t i = 0; r >= 0 && disks.directories && disks.directories[i]; i++)
                r = add_disk_helpers(l, disks.directories[i]);
        if (r < 0)
                return r;
        note_xbootldr(l); /* of all, including those dropped below */
        drop_repeated(l);
        *ret = TAKE_PTR(l);
        return 0;
}
