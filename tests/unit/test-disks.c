/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/disks.h"

#include "fakesysfs.h"

#define VOLUME makedev(FAKE_MAJOR, 9)

static void btrfs_member(const Scratch *s, const char *uuid, const char *name) {
        shell("mkdir -p %s/fs/btrfs/%s/devices && touch %s/fs/btrfs/%s/devices/%s", s->path, uuid, s->path,
              uuid, name);
}

/* Exactly these disks are found, in this order, and nothing else is said to be gone. Both are lists of names
 * with a space after each. */
static void found_are(const Scratch *s, const char *disks, const char *gone) {
        DiskList l = DISK_LIST_NULL;
        char names[256] = "", pulled[256] = "", *folder = NULL;
        assert_int_equal(strprintf(&folder, "%s/devices/", s->path), 0);
        assert_int_equal(disk_list_find(s->path, VOLUME, &l), 0);
        for (char **d = l.directories; d && *d; d++) {
                const char *name = startswith(*d, folder);
                assert_non_null(name);
                strcat(strcat(names, name), " ");
        }
        for (char **g = l.gone; g && *g; g++)
                strcat(strcat(pulled, *g), " ");
        assert_string_equal(names, disks);
        assert_string_equal(pulled, gone);
        disk_list_done(&l);
        assert_true(!l.directories && !l.gone);
        free(folder);
}

static void finding_fails(const Scratch *s, int error) {
        char *gone[] = {NULL};
        DiskList l = {.gone = gone};
        assert_int_equal(disk_list_find(s->path, VOLUME, &l), error);
        assert_ptr_equal(l.gone, gone); /* untouched */
}

static void disk_of_a_partition_is_the_one_it_is_on(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "sdx", 1);
        sysfs_add_disk(s, "sdy", 2);
        sysfs_add_partition(s, "sdx/sdx1", 9);
        found_are(s, "sdx ", "");
}

static void disk_without_partitions_is_its_own(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "sdx", 9);
        sysfs_add_disk(s, "sdy", 2);
        found_are(s, "sdx ", "");
}

static void missing_device_is_an_error(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "sdx", 1);
        finding_fails(s, -ENOENT);
}

static void array_has_the_disks_of_its_members_each_once(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "md9", 9);
        sysfs_add_disk(s, "sdx", 1);
        sysfs_add_disk(s, "sdy", 2);
        sysfs_add_partition(s, "sdx/sdx1", 11);
        sysfs_add_partition(s, "sdx/sdx2", 12);
        sysfs_add_partition(s, "sdy/sdy1", 21);
        sysfs_add_slave(s, "md9", "sdy/sdy1");
        sysfs_add_slave(s, "md9", "sdx/sdx1");
        sysfs_add_slave(s, "md9", "sdx/sdx2");
        found_are(s, "sdx sdy ", "");
}

/* sdx and sdy would show the table of the array as their own, at the wrong place for all but the first */
static void array_of_whole_disks_has_none(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "md9", 9);
        sysfs_add_disk(s, "sdx", 1);
        sysfs_add_slave(s, "md9", "sdx");
        found_are(s, "", "");
}

static void array_with_partitions_of_its_own_is_a_disk(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "md7", 7);
        sysfs_add_disk(s, "sdx", 1);
        sysfs_add_disk(s, "sdy", 2);
        sysfs_add_partition(s, "sdy/sdy1", 21);
        sysfs_add_partition(s, "md7/md7p1", 9);
        sysfs_add_slave(s, "md7", "sdx");
        sysfs_add_slave(s, "md7", "sdy/sdy1");
        found_are(s, "md7 sdy ", "");
}

static void disks_are_found_below_several_devices(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "dm-0", 9);
        sysfs_add_disk(s, "dm-1", 8);
        sysfs_add_disk(s, "sdx", 1);
        sysfs_add_partition(s, "sdx/sdx1", 11);
        sysfs_add_slave(s, "dm-0", "dm-1");
        sysfs_add_slave(s, "dm-1", "sdx/sdx1");
        found_are(s, "sdx ", "");
}

static void disks_are_in_the_order_of_their_numbers(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "md9", 9);
        sysfs_add_disk(s, "nvme10n1", 1);
        sysfs_add_disk(s, "nvme9n1", 2);
        sysfs_add_partition(s, "nvme10n1/nvme10n1p1", 11);
        sysfs_add_partition(s, "nvme9n1/nvme9n1p1", 21);
        sysfs_add_slave(s, "md9", "nvme10n1/nvme10n1p1");
        sysfs_add_slave(s, "md9", "nvme9n1/nvme9n1p1");
        found_are(s, "nvme9n1 nvme10n1 ", "");
}

/* md9 of sdx1 and sdy1 */
static void make_array(const Scratch *s) {
        sysfs_add_disk(s, "md9", 9);
        sysfs_add_disk(s, "sdx", 1);
        sysfs_add_disk(s, "sdy", 2);
        sysfs_add_partition(s, "sdx/sdx1", 11);
        sysfs_add_partition(s, "sdy/sdy1", 21);
        sysfs_add_slave(s, "md9", "sdx/sdx1");
        sysfs_add_slave(s, "md9", "sdy/sdy1");
}

static void pulled_member_is_named_and_the_others_are_found(void **state) {
        static const char *const ways[] = {
                "rm -r sdx",                                       /* its folder is gone */
                "rm -r sdx/sdx1",                                  /* that of the partition */
                "rm sdx/sdx1/dev",                                 /* its content is gone */
                "rm sdx/sdx1/dev && mknod sdx/sdx1/dev c 4095 77", /* read as ENXIO */
                "rm -r sdx/sdx1 && touch sdx/sdx1",                /* read as ENOTDIR */
        };
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                make_array(s);
                found_are(s, "sdx sdy ", "");
                shell("cd %s/devices && %s", s->path, ways[i]);
                found_are(s, "sdy ", "sdx1 ");
                shell("cd %s && rm -r devices dev class", s->path);
        }
}

/* dm of two devices on the same array */
static void pulled_member_is_named_once(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "dm-0", 9);
        sysfs_add_disk(s, "dm-1", 7);
        sysfs_add_disk(s, "dm-2", 8);
        sysfs_add_disk(s, "md0", 6);
        sysfs_add_disk(s, "sdx", 1);
        sysfs_add_partition(s, "sdx/sdx1", 11);
        sysfs_add_slave(s, "dm-0", "dm-1");
        sysfs_add_slave(s, "dm-0", "dm-2");
        sysfs_add_slave(s, "dm-1", "md0");
        sysfs_add_slave(s, "dm-2", "md0");
        sysfs_add_slave(s, "md0", "sdx/sdx1");
        sysfs_add_slave(s, "md0", "sdz/sdz1");
        found_are(s, "sdx ", "sdz1 ");
}

static void member_that_cannot_be_read_is_an_error(void **state) {
        const Scratch *s = *state;
        make_array(s);
        scratch_write(s, "devices/sdx/sdx1/dev", "words\n");
        finding_fails(s, -EINVAL);
        shell("cd %s/devices/md9/slaves && rm sdx1 && ln -s sdx1 sdx1", s->path);
        finding_fails(s, -ELOOP);
        shell("cd %s/devices/md9 && rm -r slaves && ln -s slaves slaves", s->path);
        finding_fails(s, -ELOOP);
}

static void members_of_a_btrfs_are_searched_too(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "sdw", 4);
        sysfs_add_disk(s, "sdx", 1);
        sysfs_add_disk(s, "sdy", 2);
        sysfs_add_partition(s, "sdw/sdw1", 41);
        sysfs_add_partition(s, "sdx/sdx1", 9);
        sysfs_add_partition(s, "sdy/sdy1", 21);
        shell("mkdir -p %s/fs/btrfs/features", s->path); /* which the kernel has there as well */
        found_are(s, "sdx ", "");
        btrfs_member(s, "0", "sdw1");
        found_are(s, "sdx ", "");
        btrfs_member(s, "1", "sdx1");
        btrfs_member(s, "1", "sdy1");
        btrfs_member(s, "2", "sdw1");
        found_are(s, "sdx sdy ", "");
}

static void pulled_member_of_a_btrfs_is_named(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "sdx", 9);
        btrfs_member(s, "0", "sdx");
        btrfs_member(s, "0", "sdy");
        found_are(s, "sdx ", "sdy ");
}

static void btrfs_that_cannot_be_listed_is_an_error(void **state) {
        const Scratch *s = *state;
        sysfs_add_disk(s, "sdx", 9);
        shell("cd %s && mkdir -p fs/btrfs/0 && ln -s devices fs/btrfs/0/devices", s->path);
        btrfs_member(s, "1", "sdx");
        finding_fails(s, -ELOOP);
        shell("cd %s && rm -r fs/btrfs && ln -s btrfs fs/btrfs", s->path);
        finding_fails(s, -ELOOP);
}

/* N devices, each made of the one before, the first of a partition; the last is the volume. */
static void make_stack(const Scratch *s, unsigned n) {
        char name[16], below[16];
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(name, sizeof(name), "dm-%u", i);
                (void) snprintf(below, sizeof(below), "dm-%u", i - 1);
                sysfs_add_disk(s, name, i == n - 1 ? 9 : 100 + i);
                if (i > 0)
                        sysfs_add_slave(s, name, below);
        }
        sysfs_add_disk(s, "sdx", 1);
        sysfs_add_partition(s, "sdx/sdx1", 11);
        sysfs_add_slave(s, "dm-0", "sdx/sdx1");
}

static void sixteen_devices_may_stand_on_each_other(void **state) {
        make_stack(*state, 16);
        found_are(*state, "sdx ", "");
}

static void seventeen_devices_may_not(void **state) {
        make_stack(*state, 17);
        finding_fails(*state, -ELOOP);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(disk_of_a_partition_is_the_one_it_is_on),
                scratch_test(disk_without_partitions_is_its_own),
                scratch_test(missing_device_is_an_error),
                scratch_test(array_has_the_disks_of_its_members_each_once),
                scratch_test(array_of_whole_disks_has_none),
                scratch_test(array_with_partitions_of_its_own_is_a_disk),
                scratch_test(disks_are_found_below_several_devices),
                scratch_test(disks_are_in_the_order_of_their_numbers),
                scratch_test(pulled_member_is_named_and_the_others_are_found),
                scratch_test(pulled_member_is_named_once),
                scratch_test(member_that_cannot_be_read_is_an_error),
                scratch_test(members_of_a_btrfs_are_searched_too),
                scratch_test(pulled_member_of_a_btrfs_is_named),
                scratch_test(btrfs_that_cannot_be_listed_is_an_error),
                scratch_test(sixteen_devices_may_stand_on_each_other),
                scratch_test(seventeen_devices_may_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
