/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Helpers are found, never guessed: from the volume's device down to the disks below it, by sysfs alone, and
 * on each of those disks by its partition table. A foreign disk is never opened, and a partition is one only
 * if the kernel agrees with the table on where it starts. */

#include "helper/helper.h"

#include <blkid.h>
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"

#define STACK_MAX 16U /* devices on top of each other */

DEFINE_CLEANUP(blkid_probe, blkid_free_probe);

static const struct {
        HelperType type;
        const char *guid;
} part_types[] = {
        {HELPER_ESP, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"},
        {HELPER_XBOOTLDR, "bc13c2ff-59e6-4262-a352-b275fd6f7172"},
};

static void helper_done(Helper *h) {
        free(h->device);
        free(h->node);
        free(h->disk);
        free(h->partuuid);
        free(h->fs_uuid);
        free(h->fs_type);
        *h = (Helper){};
}

HelperList *helper_list_free(HelperList *l) {
        if (!l)
                return NULL;
        for (size_t i = 0; i < l->n; i++)
                helper_done(&l->items[i]);
        free(l->items);
        free(l);
        return NULL;
}

/* The first line of DIRECTORY/NAME. Wants no memory: where there is none a disk would look as if it had fewer
 * partitions. */
static int read_attribute(const char *directory, const char *name, char buffer[static 64]) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int) sizeof path)
                return error_origin(-ENAMETOOLONG);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return error_origin(-errno);
        ssize_t n = read(fd, buffer, 63);
        if (n <= 0)
                return error_origin(n < 0 ? -errno : -ENODATA);
        buffer[n] = 0;
        buffer[strcspn(buffer, "\n")] = 0;
        return 0;
}

static int read_number(const char *directory, const char *name, uint64_t *ret) {
        char text[64];
        int r = read_attribute(directory, name, text);
        if (r < 0)
                return r;
        r = parse_u64(text, ret);
        return r < 0 ? error_origin(r) : 0;
}

static int read_devno(const char *directory, dev_t *ret) {
        char text[64];
        int r = read_attribute(directory, "dev", text);
        if (r < 0)
                return r;
        r = parse_devno(text, ret);
        return r < 0 ? error_origin(r) : 0;
}

static int select_visible(const struct dirent *d) {
        return d->d_name[0] != '.';
}

/* The names in DIRECTORY/NAME as a strv, sorted; none if it is missing. */
static int list_names(const char *directory, const char *name, char ***ret) {
        _cleanup_free_ char *path = NULL;
        struct dirent **found = NULL;
        int r = strprintf(&path, "%s/%s", directory, name);
        if (r < 0)
                return r;
        int n = scandir(path, &found, select_visible, alphasort);
        if (n < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : error_origin(-errno);
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = strv_extend(ret, found[i]->d_name);
                free(found[i]);
        }
        free(found);
        return r;
}

/* The device's own folder in sysfs, links resolved. */
static int device_directory(const char *sysfs, dev_t devno, char **ret) {
        _cleanup_free_ char *link = NULL;
        int r = strprintf(&link, "%s/dev/block/%u:%u", sysfs, major(devno), minor(devno));
        if (r < 0)
                return r;
        char *real = realpath(link, NULL);
        if (!real)
                return errno > 0 ? error_origin(-errno) : error_origin(-ENOENT);
        *ret = real;
        return 0;
}

static bool is_partition(const char *directory) {
        uint64_t number;
        return read_number(directory, "partition", &number) >= 0;
}

static int add_disk(char ***disks, const char *directory) {
        return strv_contains(*disks, directory) ? 0 : strv_extend(disks, directory);
}

/* Collects the disks below the device of DIRECTORY: its own, and those of what it is made of. */
static int find_disks(const char *directory, unsigned depth, char ***disks) {
        _cleanup_strv_free_ char **slaves = NULL;
        _cleanup_free_ char *whole = strdup(directory);
        if (!whole)
                return error_origin(-ENOMEM);
        if (depth > STACK_MAX)
                return error_origin(-ELOOP);
        bool partition = is_partition(directory);
        if (partition)
                *strrchr(whole, '/') = 0;
        int r = list_names(whole, "slaves", &slaves);
        if (r < 0)
                return r;
        /* What is made of others has a table of its own only if the volume is a partition of it. And what
         * others are made of as a whole, has none: the table that is seen there is theirs. */
        if (partition || (!slaves && depth == 0))
                r = add_disk(disks, whole);
        for (size_t i = 0; r >= 0 && slaves && slaves[i]; i++) {
                _cleanup_free_ char *link = NULL, *slave = NULL;
                r = strprintf(&link, "%s/slaves/%s", whole, slaves[i]);
                if (r < 0)
                        return r;
                slave = realpath(link, NULL);
                r = slave ? find_disks(slave, depth + 1, disks) : error_origin(-errno);
        }
        return r;
}

/* The members of the btrfs that DEVICE (a kernel name) belongs to; just DEVICE if it belongs to none. */
static int find_members(const char *sysfs, const char *device, char ***ret) {
        _cleanup_strv_free_ char **filesystems = NULL;
        int r = list_names(sysfs, "fs/btrfs", &filesystems);
        for (size_t i = 0; r >= 0 && filesystems && filesystems[i]; i++) {
                _cleanup_strv_free_ char **members = NULL;
                _cleanup_free_ char *name = NULL;
                r = strprintf(&name, "fs/btrfs/%s/devices", filesystems[i]);
                if (r >= 0)
                        r = list_names(sysfs, name, &members);
                if (r >= 0 && strv_contains(members, device)) {
                        *ret = TAKE_PTR(members);
                        return 0;
                }
        }
        return r < 0 ? r : strv_extend(ret, device);
}

static int find_all_disks(const char *sysfs, dev_t volume, char ***disks) {
        _cleanup_strv_free_ char **members = NULL;
        _cleanup_free_ char *directory = NULL;
        int r = device_directory(sysfs, volume, &directory);
        if (r < 0 || !directory)
                return r;
        r = find_members(sysfs, path_last(directory), &members);
        for (size_t i = 0; r >= 0 && members && members[i]; i++) {
                _cleanup_free_ char *link = NULL, *member = NULL;
                r = strprintf(&link, "%s/class/block/%s", sysfs, members[i]);
                if (r < 0)
                        return r;
                member = realpath(link, NULL);
                if (member) /* one that was pulled has no device any more */
                        r = find_disks(member, 0, disks);
        }
        return r;
}

static int copy_name(const char *directory, char **ret) {
        char *name = strdup(path_last(directory));
        if (!name)
                return error_origin(-ENOMEM);
        for (char *p = name; *p; p++)
                if (*p == '!')
                        *p = '/';
        *ret = name;
        return 0;
}

/* Opens the device node NODE for reading, if it is still DEVNO. */
static int open_device(const char *node, dev_t devno, int *ret_fd) {
        struct stat st;
        _cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return error_origin(-errno);
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (!S_ISBLK(st.st_mode) || st.st_rdev != devno)
                return error_origin(-ENODEV);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int copy_value(blkid_probe probe, const char *name, char **ret) {
        const char *value;
        size_t size;
        if (blkid_probe_lookup_value(probe, name, &value, &size) < 0 || size <= 1)
                return 0;
        *ret = strndup(value, size);
        return *ret ? 0 : error_origin(-ENOMEM);
}

/* The file system on H now. None, several or an unreadable one leave it NULL: the build will say so. */
static int probe_filesystem(Helper *h) {
        _cleanup_close_ int fd = -EBADF;
        int r = open_device(h->node, h->devno, &fd);
        if (r < 0) {
                (void) log_warning_errno(r, "%s: cannot be read", h->device);
                return 0;
        }
        _cleanup_(blkid_free_probep) blkid_probe probe = blkid_new_probe();
        if (!probe)
                return error_origin(-ENOMEM);
        if (blkid_probe_set_device(probe, fd, 0, 0) < 0 || blkid_probe_enable_superblocks(probe, 1) < 0 ||
            blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID) < 0 ||
            blkid_do_safeprobe(probe) != 0)
                return 0;
        r = copy_value(probe, "TYPE", &h->fs_type);
        return r < 0 ? r : copy_value(probe, "UUID", &h->fs_uuid);
}

/* The folder in sysfs of the partition NUMBER of DISK that starts at START (512-byte sectors). */
static int find_partition(const char *disk, unsigned long long number, unsigned long long start, char **ret) {
        _cleanup_strv_free_ char **names = NULL;
        int r = list_names(disk, ".", &names);
        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                _cleanup_free_ char *directory = NULL;
                uint64_t n, s;
                r = strprintf(&directory, "%s/%s", disk, names[i]);
                if (r >= 0 && read_number(directory, "partition", &n) >= 0 && n == number &&
                    read_number(directory, "start", &s) >= 0 && s == start) {
                        *ret = TAKE_PTR(directory);
                        return 0;
                }
        }
        return r < 0 ? r : error_origin(-ENOENT);
}

/* H has its number. */
static int fill_helper(Helper *h, const char *directory, const char *partuuid) {
        int r = copy_name(directory, &h->device);
        if (r >= 0)
                r = strprintf(&h->node, "/dev/%s", h->device);
        if (r >= 0)
                r = strprintf(&h->partuuid, "%s", partuuid);
        if (r < 0)
                return r;
        for (char *p = h->partuuid; *p; p++)
                *p = (char) tolower((unsigned char) *p);
        return probe_filesystem(h);
}

/* The folder in sysfs of what stands on a partition: its own, or that of the array that it is a member of.
 * -EBUSY: something else has it. */
static int find_top(const char *directory, char **ret) {
        _cleanup_strv_free_ char **holders = NULL;
        _cleanup_free_ char *link = NULL, *array = NULL, *top = NULL;
        int r = list_names(directory, "holders", &holders);
        if (r < 0)
                return r;
        if (!holders)
                return strprintf(ret, "%s", directory);
        r = strprintf(&link, "%s/holders/%s", directory, holders[0]);
        if (r >= 0)
                r = strprintf(&array, "%s/md", link);
        if (r < 0)
                return r;
        if (holders[1] || access(array, F_OK) < 0)
                return error_origin(-EBUSY);
        top = realpath(link, NULL);
        if (!top)
                return error_origin(-errno);
        *ret = TAKE_PTR(top);
        return 0;
}

/* Adds the partition if it is a helper that may be used; instead of a member of an array the array. */
static int add_partition(HelperList *l, const char *disk, const char *disk_name, HelperType type,
                         blkid_partition partition) {
        _cleanup_(helper_done) Helper h = {.type = type};
        _cleanup_free_ char *directory = NULL, *top = NULL;
        int number = blkid_partition_get_partno(partition);
        const char *partuuid = blkid_partition_get_uuid(partition);
        int r = find_partition(disk, (unsigned long long) number,
                               (unsigned long long) blkid_partition_get_start(partition), &directory);
        if (r == -ENOENT || !partuuid) {
                log_warning("%s: partition %i is in the table, but not known to the kernel (partx -u "
                            "/dev/%s)",
                            disk_name, number, disk_name);
                return 0;
        }
        if (r >= 0)
                r = find_top(directory, &top);
        if (r >= 0)
                r = read_devno(top, &h.devno);
        if (r == -EBUSY)
                return 0;
        if (r >= 0)
                r = copy_name(disk, &h.disk);
        if (r >= 0)
                r = fill_helper(&h, top, partuuid);
        if (r >= 0)
                r = grow(l->items, l->n);
        if (r < 0)
                return r;
        l->items[l->n++] = h;
        h = (Helper){};
        return 0;
}

static int part_type_find(blkid_partition partition) {
        const char *guid = blkid_partition_get_type_string(partition);
        for (size_t i = 0; guid && i < ELEMENTSOF(part_types); i++)
                if (strcasecmp(guid, part_types[i].guid) == 0)
                        return part_types[i].type;
        return _HELPER_TYPE_INVALID;
}

static int compare_partitions(const void *a, const void *b) {
        int x = blkid_partition_get_partno(*(const blkid_partition *) a);
        int y = blkid_partition_get_partno(*(const blkid_partition *) b);
        return (x > y) - (x < y);
}

static int add_partitions(HelperList *l, const char *disk, const char *disk_name, blkid_partlist list) {
        int n = blkid_partlist_numof_partitions(list);
        if (n <= 0)
                return 0;
        _cleanup_free_ blkid_partition *partitions = calloc((size_t) n, sizeof(blkid_partition));
        if (!partitions)
                return error_origin(-ENOMEM);
        for (int i = 0; i < n; i++)
                partitions[i] = blkid_partlist_get_partition(list, i);
        qsort(partitions, (size_t) n, sizeof(blkid_partition), compare_partitions);
        int r = 0;
        for (int i = 0; r >= 0 && i < n; i++) {
                int type = part_type_find(partitions[i]);
                if (type >= 0)
                        r = add_partition(l, disk, disk_name, (HelperType) type, partitions[i]);
        }
        return r;
}

/* Reads the table of the disk whose folder in sysfs is DISK. */
static int add_disk_helpers(HelperList *l, const char *disk) {
        _cleanup_free_ char *name = NULL, *node = NULL;
        _cleanup_close_ int fd = -EBADF;
        dev_t devno;
        int r = copy_name(disk, &name);
        if (r >= 0)
                r = strprintf(&node, "/dev/%s", name);
        if (r < 0)
                return r;
        r = read_devno(disk, &devno);
        if (r >= 0)
                r = open_device(node, devno, &fd);
        if (r < 0) {
                (void) log_warning_errno(r, "%s: cannot read the partition table", name);
                return 0;
        }
        _cleanup_(blkid_free_probep) blkid_probe probe = blkid_new_probe();
        if (!probe)
                return error_origin(-ENOMEM);
        if (blkid_probe_set_device(probe, fd, 0, 0) < 0 || blkid_probe_enable_superblocks(probe, 0) < 0 ||
            blkid_probe_enable_partitions(probe, 1) < 0)
                return 0;
        blkid_partlist list = blkid_probe_get_partitions(probe);
        blkid_parttable table = list ? blkid_partlist_get_table(list) : NULL;
        const char *type = table ? blkid_parttable_get_type(table) : NULL;
        return type && streq(type, "gpt") ? add_partitions(l, disk, name, list) : 0;
}

static int compare_strings(const void *a, const void *b) {
        return strverscmp(*(char *const *) a, *(char *const *) b);
}

static void note_xbootldr(HelperList *l) {
        for (size_t i = 0; i < l->n; i++)
                for (size_t j = 0; j < l->n; j++)
                        if (l->items[j].type == HELPER_XBOOTLDR && streq(l->items[i].disk, l->items[j].disk))
                                l->items[i].disk_has_xbootldr = true;
}

/* An array stands on the disk of each of its members, but is one helper. */
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
        _cleanup_(helper_list_freep) HelperList *l = calloc(1, sizeof(HelperList));
        _cleanup_strv_free_ char **disks = NULL;
        if (!l)
                return error_origin(-ENOMEM);
        int r = find_all_disks(sysfs, volume, &disks);
        if (r >= 0 && disks)
                qsort(disks, strv_length(disks), sizeof(char *), compare_strings);
        for (size_t i = 0; r >= 0 && disks && disks[i]; i++)
                r = add_disk_helpers(l, disks[i]);
        if (r < 0)
                return r;
        note_xbootldr(l);
        drop_repeated(l);
        *ret = TAKE_PTR(l);
        return 0;
}
