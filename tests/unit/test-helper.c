/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/helperlist.h"

#include "disk.h"

#define TYPE_ESP "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
#define TYPE_XBOOTLDR "BC13C2FF-59E6-4262-A352-B275FD6F7172"
#define TYPE_LINUX "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
#define ESP_UUID "11111111-AAAA-4000-8000-000000000001"
#define GPT                                                                                                  \
        "label: gpt\\nsize=8M, type=" TYPE_ESP ", uuid=" ESP_UUID "\\nsize=8M, type=" TYPE_XBOOTLDR          \
        "\\nsize=8M, type=" TYPE_LINUX "\\n"

static void helpers_of_a_partition_are_those_of_its_disk(void **state) {
        const Scratch *s = *state;
        HelperList *l = NULL;
        char volume[48], fs_uuid[64], command[64];
        Disk d;
        disk_attach(&d, s, "40M", GPT, true);
        shell("mkfs.ext4 -q %sp1 2>/dev/null", d.node);
        (void) snprintf(volume, sizeof(volume), "%sp3", d.node);
        (void) snprintf(command, sizeof(command), "blkid -p -o value -s UUID %sp1", d.node);
        shell_line(command, fs_uuid, sizeof(fs_uuid));
        dev_t devno = disk_devno(volume);
        char esp[48];
        (void) snprintf(esp, sizeof(esp), "%sp1", d.node);
        dev_t esp_devno = disk_devno(esp);
        int r = helper_list_new("/sys", devno, &l);
        disk_detach(&d);
        assert_int_equal(r, 0);
        assert_int_equal(l->n, 2);
        const Helper *a = &l->items[0], *b = &l->items[1];
        assert_int_equal(a->type, HELPER_ESP);
        assert_string_equal(a->node, esp);
        assert_true(a->devno == esp_devno);
        assert_string_equal(a->partuuid, "11111111-aaaa-4000-8000-000000000001");
        assert_string_equal(a->fs_type, "ext4");
        assert_string_equal(a->fs_uuid, fs_uuid);
        assert_int_equal(b->type, HELPER_XBOOTLDR);
        assert_null(b->fs_uuid); /* never formatted: a helper nevertheless */
        assert_null(b->fs_type);
        assert_string_equal(a->disk, b->disk);
        assert_true(a->disk_has_xbootldr && b->disk_has_xbootldr);
        helper_list_free(l);
}

static void whole_disk_is_its_own_disk(void **state) {
        const Scratch *s = *state;
        HelperList *l = NULL;
        Disk d;
        disk_attach(&d, s, "40M", GPT, true);
        int r = helper_list_new("/sys", disk_devno(d.node), &l);
        disk_detach(&d);
        assert_int_equal(r, 0);
        assert_int_equal(l->n, 2);
        helper_list_free(l);
}

static void disk_without_a_gpt_has_none(void **state) {
        const Scratch *s = *state;
        static const char *const tables[] = {NULL, "label: dos\\nsize=8M, type=ef\\n"};
        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                HelperList *l = NULL;
                Disk d;
                shell("rm -f %s/disk", s->path);
                disk_attach(&d, s, "40M", tables[i], true);
                int r = helper_list_new("/sys", disk_devno(d.node), &l);
                disk_detach(&d);
                assert_int_equal(r, 0);
                assert_int_equal(l->n, 0);
                helper_list_free(l);
        }
}

static void partition_that_the_kernel_does_not_know_is_left_out(void **state) {
        const Scratch *s = *state;
        HelperList *l = NULL;
        Disk d;
        disk_attach(&d, s, "40M", GPT, false);
        int r = helper_list_new("/sys", disk_devno(d.node), &l);
        disk_detach(&d);
        assert_int_equal(r, 0);
        assert_int_equal(l->n, 0);
        helper_list_free(l);
}

/* the table was rewritten, but the kernel was not told: its partition is elsewhere now */
static void partition_that_moved_is_left_out(void **state) {
        const Scratch *s = *state;
        HelperList *l = NULL;
        Disk d;
        disk_attach(&d, s, "40M", GPT, true);
        shell("printf 'label: gpt\\nstart=16384, size=8M, type=" TYPE_ESP
              "\\n' | sfdisk -q --no-reread --force "
              "--no-tell-kernel %s >/dev/null 2>&1",
              d.node);
        int r = helper_list_new("/sys", disk_devno(d.node), &l);
        disk_detach(&d);
        assert_int_equal(r, 0);
        assert_int_equal(l->n, 0);
        helper_list_free(l);
}

/* What this kernel cannot create (md, dm), as a sysfs of plain folders: the path from the volume to its
 * disks. The numbers belong to no device, so nothing can be opened and every disk is only noted as
 * unreadable. */
static void disks_below_an_array_are_found_through_its_slaves(void **state) {
        const Scratch *s = *state;
        HelperList *l = NULL;
        char sysfs[96];
        scratch_write(s, "devices/md0/dev", "4095:0\n");
        scratch_write(s, "devices/sdx/dev", "4095:16\n");
        scratch_write(s, "devices/sdx/sdx2/partition", "2\n");
        scratch_write(s, "devices/sdx/sdx2/dev", "4095:18\n");
        shell("cd %s && mkdir -p dev/block class/block devices/md0/slaves && ln -s ../../devices/md0 "
              "dev/block/4095:0 "
              "&& ln -s ../../devices/md0 class/block/md0 && ln -s ../../sdx/sdx2 devices/md0/slaves/sdx2",
              s->path);
        (void) snprintf(sysfs, sizeof(sysfs), "%s", s->path);
        int r = helper_list_new(sysfs, makedev(4095, 0), &l);
        assert_int_equal(r, 0);
        assert_int_equal(l->n, 0);
        assert_int_equal(strv_length(l->notes), 1);
        assert_string_equal(l->notes[0], "sdx: cannot read the partition table: No such file or directory");
        helper_list_free(l);
}

/* A disk with GPT in a sysfs of plain folders, where the array md9 is made of SLAVE ("%s" is the disk's
 * name), and HOLDER, a folder, holds each of PARTITIONS, and SECOND (or "") the ESP as well. */
static HelperList *helpers_below_an_array(const Scratch *s, const char *slave, const char *holder,
                                          const char *partitions, const char *second) {
        HelperList *l = NULL;
        char sysfs[96];
        Disk d;
        disk_attach(&d, s, "40M", GPT, true);
        shell("set -e; cd %s; n=%s; mkdir -p dev/block class/block devices/md9/md devices/md9/slaves "
              "devices/%s;"
              "echo 4095:7 >devices/$(echo %s | cut -d/ -f1)/dev; echo 4095:9 >devices/md9/dev;"
              "ln -s ../../devices/md9 dev/block/4095:9; ln -s ../../devices/md9 class/block/md9;"
              "mkdir devices/$n; cp /sys/block/$n/dev devices/$n/;"
              "for p in ${n}p1 ${n}p2 ${n}p3; do mkdir -p devices/$n/$p/holders;"
              "  for f in dev start partition; do cp /sys/block/$n/$p/$f devices/$n/$p/; done; done;"
              "for p in %s; do ln -s ../../../$(echo %s | cut -d/ -f1) devices/$n/$n$p/holders/; done;"
              "for h in %s; do ln -s ../../../$h devices/$n/${n}p1/holders/; done;"
              "ln -s ../../$(printf '%s' $n $n) devices/md9/slaves/",
              s->path, d.name, holder, holder, partitions, holder, second, slave);
        (void) snprintf(sysfs, sizeof(sysfs), "%s", s->path);
        int r = helper_list_new(sysfs, makedev(4095, 9), &l);
        disk_detach(&d);
        assert_int_equal(r, 0);
        return l;
}

static void array_of_esps_is_the_helper_and_its_members_are_none(void **state) {
        HelperList *l = helpers_below_an_array(*state, "%s/%sp3", "md7/md", "p1 p2", "");
        assert_int_equal(l->n, 1); /* once */
        assert_string_equal(l->items[0].device, "md7");
        assert_string_equal(l->items[0].node, "/dev/md7");
        assert_true(l->items[0].devno == makedev(4095, 7));
        assert_int_equal(l->items[0].type, HELPER_ESP);
        assert_string_equal(l->items[0].partuuid, "11111111-aaaa-4000-8000-000000000001");
        assert_true(l->items[0].disk_has_xbootldr); /* though that is the same array, and told once */
        helper_list_free(l);
}

static void partition_that_two_hold_is_left_out(void **state) {
        HelperList *l = helpers_below_an_array(*state, "%s/%sp3", "md7/md", "p1", "md8");
        assert_int_equal(l->n, 1);
        assert_int_equal(l->items[0].type, HELPER_XBOOTLDR);
        helper_list_free(l);
}

static void another_device_under_the_name_is_not_opened(void **state) {
        const Scratch *s = *state;
        Disk d;
        int fd = -EBADF, no_device, other, right;
        disk_attach(&d, s, "1M", NULL, false);
        dev_t devno = disk_devno(d.node);
        no_device = helper_open_device("/dev/null", devno, &fd);
        other = helper_open_device(d.node, makedev(major(devno), minor(devno) + 1), &fd);
        bool untouched = fd == -EBADF;
        right = helper_open_device(d.node, devno, &fd);
        closep(&fd);
        disk_detach(&d);
        assert_int_equal(no_device, -ENODEV);
        assert_int_equal(other, -ENODEV);
        assert_true(untouched);
        assert_int_equal(right, 0);
}

static void partition_that_something_else_is_made_of_is_left_out(void **state) {
        HelperList *l = helpers_below_an_array(*state, "%s/%sp3", "dm-7/dm", "p1", "");
        assert_int_equal(l->n, 1);
        assert_int_equal(l->items[0].type, HELPER_XBOOTLDR);
        helper_list_free(l);
}

static void table_of_a_whole_disk_in_an_array_is_the_arrays(void **state) {
        HelperList *l = helpers_below_an_array(*state, "%s%.0s", "md7/md", "", "");
        assert_int_equal(l->n, 0);
        helper_list_free(l);
}

/* A sysfs where the array md9 is made of the partitions 1 of sdx, sdy and sdz, each on a disk of its own. */
static void make_array(const Scratch *s) {
        shell("set -e; cd %s; mkdir -p dev/block class/block devices/md9/slaves; echo 4095:9 "
              ">devices/md9/dev;"
              "ln -s ../../devices/md9 dev/block/4095:9; ln -s ../../devices/md9 class/block/md9;"
              "i=16; for d in sdx sdy sdz; do mkdir -p devices/$d/${d}1; echo 4095:$i >devices/$d/dev;"
              "  echo 4095:$((i + 1)) >devices/$d/${d}1/dev; echo 1 >devices/$d/${d}1/partition; i=$((i + "
              "16));"
              "  ln -s ../../$d/${d}1 devices/md9/slaves/; ln -s ../../devices/$d/${d}1 class/block/; done",
              s->path);
}

/* The others are searched; which disks were is shown by the notes, since they are not real. */
static void notes_are(const Scratch *s, const char *const expected[static 4]) {
        HelperList *l = NULL;
        assert_int_equal(helper_list_new(s->path, makedev(4095, 9), &l), 0);
        assert_int_equal(l->n, 0);
        for (size_t i = 0; expected[i]; i++) {
                assert_true(i < strv_length(l->notes));
                assert_string_equal(l->notes[i], expected[i]);
                assert_true(expected[i + 1] || !l->notes[i + 1]);
        }
        helper_list_free(l);
}

#define GONE(name) name " is gone, its disk is not searched for helpers"
#define UNREADABLE(name) name ": cannot read the partition table: No such file or directory"

static void pulled_member_is_said_and_the_others_are_searched(void **state) {
        static const char *const ways[] = {
                "rm -r devices/sdy",                                               /* its folder is gone */
                "rm devices/sdy/sdy1/dev",                                         /* its content is gone */
                "rm devices/sdy/sdy1/dev && mknod devices/sdy/sdy1/dev c 4095 77", /* read as ENXIO */
                "rm -r devices/sdy/sdy1",
        };
        const Scratch *s = *state;
        make_array(s);
        notes_are(s, (const char *const[4]){UNREADABLE("sdx"), UNREADABLE("sdy"), UNREADABLE("sdz")});
        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                shell("cd %s && %s", s->path, ways[i]);
                notes_are(s, (const char *const[4]){GONE("sdy1"), UNREADABLE("sdx"), UNREADABLE("sdz")});
                shell("cd %s && rm -rf devices dev class", s->path);
                make_array(s);
        }
}

/* dm of two partitions of the array, which is found twice. */
static void pulled_member_is_said_once(void **state) {
        const Scratch *s = *state;
        make_array(s);
        shell("cd %s && rm dev/block/4095:9 && mkdir -p devices/dm-0/slaves devices/dm-1/slaves "
              "devices/dm-2/slaves"
              " && for i in 0 1 2; do echo 4095:$((100 + i)) >devices/dm-$i/dev; ln -s ../../devices/dm-$i "
              "class/block/; done"
              " && ln -s ../../dm-1 ../../dm-2 devices/dm-0/slaves/ && ln -s ../../md9 devices/dm-1/slaves/"
              " && ln -s ../../md9 devices/dm-2/slaves/ && ln -s ../../devices/dm-0 dev/block/4095:9 && rm "
              "-r devices/sdz",
              s->path);
        notes_are(s, (const char *const[4]){GONE("sdz1"), UNREADABLE("sdx"), UNREADABLE("sdy")});
}

static void pulled_member_of_btrfs_is_said_and_the_others_are_searched(void **state) {
        const Scratch *s = *state;
        make_array(s);
        shell("cd %s && mkdir -p fs/btrfs/0 fs/btrfs/uuid/devices fs/btrfs/features && touch "
              "fs/btrfs/uuid/devices/sdx1"
              " fs/btrfs/uuid/devices/sdy1 fs/btrfs/uuid/devices/sdz1 && rm dev/block/4095:9 class/block/sdz1"
              " && ln -s ../../devices/sdx/sdx1 dev/block/4095:9",
              s->path);
        notes_are(s, (const char *const[4]){GONE("sdz1"), UNREADABLE("sdx"), UNREADABLE("sdy")});
        shell("rm %s/fs/btrfs/uuid/devices/sdx1",
              s->path); /* it does not belong to a file system on several devices */
        notes_are(s, (const char *const[4]){UNREADABLE("sdx")});
}

static void devices_stand_on_each_other_only_so_far(void **state) {
        const Scratch *s = *state;
        HelperList *l = NULL;
        shell("cd %s && mkdir -p dev/block class/block && for i in $(seq 0 17); do mkdir -p "
              "devices/dm-$i/slaves;"
              "  echo 4095:$i >devices/dm-$i/dev; ln -s ../../devices/dm-$i class/block/; ln -s "
              "../../devices/dm-$i dev/block/4095:$i;"
              "  test $i = 17 || ln -s ../../dm-$((i + 1)) devices/dm-$i/slaves/; done",
              s->path);
        assert_int_equal(helper_list_new(s->path, makedev(4095, 1), &l), 0);
        l = helper_list_free(l);
        assert_int_equal(helper_list_new(s->path, makedev(4095, 0), &l), -ELOOP);
        assert_null(l);
}

static void disks_are_in_the_order_of_their_numbers(void **state) {
        const Scratch *s = *state;
        make_array(s);
        shell("cd %s/devices && rm -r md9/slaves/* && for d in nvme10n1 nvme9n1; do mkdir -p $d/${d}p1;"
              "  echo 4095:7 | tee $d/dev >$d/${d}p1/dev; echo 1 >$d/${d}p1/partition;"
              "  ln -s ../../$d/${d}p1 md9/slaves/; done",
              s->path);
        notes_are(s, (const char *const[4]){UNREADABLE("nvme9n1"), UNREADABLE("nvme10n1")});
}

static void names_with_a_slash_come_back(void **state) {
        const Scratch *s = *state;
        shell("cd %s && mkdir -p dev/block class/block 'devices/cciss!c0d0' && echo 4095:9 "
              ">'devices/cciss!c0d0/dev'"
              " && ln -s '../../devices/cciss!c0d0' dev/block/4095:9 && ln -s '../../devices/cciss!c0d0' "
              "class/block/",
              s->path);
        notes_are(s, (const char *const[4]){UNREADABLE("cciss/c0d0")});
}

static void device_that_is_gone_is_told(void **state) {
        HelperList *l = NULL;
        assert_int_equal(helper_list_new("/sys", makedev(4095, 77), &l), -ENOENT);
        assert_null(l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(helpers_of_a_partition_are_those_of_its_disk),
                scratch_test(whole_disk_is_its_own_disk),
                scratch_test(disk_without_a_gpt_has_none),
                scratch_test(partition_that_the_kernel_does_not_know_is_left_out),
                scratch_test(partition_that_moved_is_left_out),
                scratch_test(disks_below_an_array_are_found_through_its_slaves),
                scratch_test(array_of_esps_is_the_helper_and_its_members_are_none),
                scratch_test(partition_that_something_else_is_made_of_is_left_out),
                scratch_test(partition_that_two_hold_is_left_out),
                scratch_test(another_device_under_the_name_is_not_opened),
                scratch_test(table_of_a_whole_disk_in_an_array_is_the_arrays),
                scratch_test(pulled_member_is_said_and_the_others_are_searched),
                scratch_test(pulled_member_is_said_once),
                scratch_test(pulled_member_of_btrfs_is_said_and_the_others_are_searched),
                scratch_test(devices_stand_on_each_other_only_so_far),
                scratch_test(disks_are_in_the_order_of_their_numbers),
                scratch_test(names_with_a_slash_come_back),
                cmocka_unit_test(device_that_is_gone_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
