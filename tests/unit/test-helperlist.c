/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/helperlist.h"

#include "disk.h"
#include "fakesysfs.h"

#define TYPE_ESP "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
#define TYPE_XBOOTLDR "BC13C2FF-59E6-4262-A352-B275FD6F7172"
#define TYPE_LINUX "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
#define ESP_UUID "11111111-AAAA-4000-8000-000000000001"
#define GPT                                                                                                  \
        "label: gpt\\nsize=8M, type=" TYPE_ESP ", uuid=" ESP_UUID "\\nsize=8M, type=" TYPE_XBOOTLDR          \
        "\\nsize=8M, type=" TYPE_LINUX "\\n"
#define UNREADABLE(name) name ": cannot read the partition table: No such file or directory"

/* ---- as the kernel of this machine shows a disk ---- */

/* The helpers of the disk itself, with this table. */
static HelperList *helpers_of_disk(const Scratch *s, const char *table, bool known) {
        HelperList *l = NULL;
        Disk d;
        disk_attach(&d, s, "40M", table, known);
        int r = helper_list_new("/sys", disk_devno(d.node), &l);
        disk_detach(&d);
        assert_int_equal(r, 0);
        return l;
}

static void helpers_of_a_partition_are_those_of_its_disk(void **state) {
        const Scratch *s = *state;
        HelperList *l = NULL;
        char volume[48], esp[48], fs_uuid[64], command[64];
        Disk d;
        disk_attach(&d, s, "40M", GPT, true);
        shell("mkfs.ext4 -q %sp1 2>/dev/null", d.node);
        (void) snprintf(volume, sizeof(volume), "%sp3", d.node);
        (void) snprintf(esp, sizeof(esp), "%sp1", d.node);
        (void) snprintf(command, sizeof(command), "blkid -p -o value -s UUID %sp1", d.node);
        shell_line(command, fs_uuid, sizeof(fs_uuid));
        dev_t devno = disk_devno(volume), esp_devno = disk_devno(esp);
        char *name = strdup(d.name);
        int r = helper_list_new("/sys", devno, &l);
        disk_detach(&d);
        assert_int_equal(r, 0);
        assert_int_equal(l->n, 2);
        assert_null(l->notes);
        const Helper *a = &l->items[0], *b = &l->items[1];
        assert_int_equal(a->type, HELPER_ESP);
        assert_string_equal(a->node, esp);
        assert_string_equal(a->device, esp + strlen("/dev/"));
        assert_true(a->devno == esp_devno);
        assert_string_equal(a->partuuid, "11111111-aaaa-4000-8000-000000000001");
        assert_string_equal(a->fs_type, "ext4");
        assert_string_equal(a->fs_uuid, fs_uuid);
        assert_int_equal(b->type, HELPER_XBOOTLDR);
        assert_null(b->fs_uuid); /* never formatted: a helper nevertheless */
        assert_null(b->fs_type);
        assert_string_equal(a->disk, name);
        assert_string_equal(b->disk, name);
        assert_true(a->disk_has_xbootldr && b->disk_has_xbootldr);
        free(name);
        helper_list_free(l);
}

static void helpers_are_in_the_order_of_their_numbers(void **state) {
        HelperList *l = helpers_of_disk(*state,
                                        "label: gpt\\n1: start=32768, size=8M, type=" TYPE_XBOOTLDR
                                        "\\n3: start=2048, size=8M, type=" TYPE_ESP "\\n",
                                        true);
        assert_int_equal(l->n, 2);
        assert_non_null(strstr(l->items[0].device, "p1"));
        assert_int_equal(l->items[0].type, HELPER_XBOOTLDR);
        assert_non_null(strstr(l->items[1].device, "p3"));
        assert_int_equal(l->items[1].type, HELPER_ESP);
        helper_list_free(l);
}

static void disk_without_a_gpt_has_none(void **state) {
        const Scratch *s = *state;
        static const char *const tables[] = {NULL, "label: dos\\nsize=8M, type=ef\\n", "label: gpt\\n"};
        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                shell("rm -f %s/disk", s->path);
                HelperList *l = helpers_of_disk(s, tables[i], i == 1);
                assert_int_equal(l->n, 0);
                assert_null(l->notes);
                helper_list_free(l);
        }
}

/* A note about a partition is the name of its disk, and TEXT. */
static void note_is(const HelperList *l, size_t i, const char *text) {
        assert_true(i < strv_length(l->notes));
        const char *rest = strstr(l->notes[i], ": ");
        assert_non_null(startswith(l->notes[i], "loop"));
        assert_non_null(rest);
        size_t n = strlen(text);
        assert_int_equal(strncmp(rest + 2, text, n), 0);
}

#define UNKNOWN(number)                                                                                      \
        "partition " number " is in the table, but not known to the kernel (partx -u /dev/loop"

static void partition_that_the_kernel_does_not_know_is_left_out(void **state) {
        HelperList *l = helpers_of_disk(*state, GPT, false);
        assert_int_equal(l->n, 0);
        assert_int_equal(strv_length(l->notes), 2);
        note_is(l, 0, UNKNOWN("1"));
        note_is(l, 1, UNKNOWN("2"));
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
        assert_int_equal(strv_length(l->notes), 1);
        note_is(l, 0, UNKNOWN("1"));
        helper_list_free(l);
}

/* ---- as another kernel would show it ---- */

/* D and its partitions, each with nothing on it, in the sysfs of S, where the volume md9 is made of the last
 * one. */
static void copy_disk(const Scratch *s, const Disk *d) {
        sysfs_add_disk(s, "md9", 9);
        shell("set -e; cd %s/devices; n=%s; mkdir -p $n/slaves; cp /sys/block/$n/dev $n/;"
              "for p in $(cd /sys/block/$n && ls -d ${n}p*); do mkdir -p $n/$p/holders;"
              "  for f in dev start partition; do cp /sys/block/$n/$p/$f $n/$p/; done; done;"
              "ln -s ../../$n/$p md9/slaves/",
              s->path, d->name);
}

/* The helpers of a disk with TABLE whose sysfs is as CHANGE, a command, made it: there $n is the name of the
 * disk, and $p with a number that of a partition. */
static int list_after(const Scratch *s, const char *table, const char *change, HelperList **ret) {
        Disk d;
        disk_attach(&d, s, "40M", table, true);
        copy_disk(s, &d);
        shell("set -e; cd %s/devices; n=%s; p=${n}p; %s", s->path, d.name, change);
        int r = helper_list_new(s->path, makedev(FAKE_MAJOR, 9), ret);
        disk_detach(&d);
        return r;
}

static HelperList *helpers_after(const Scratch *s, const char *change) {
        HelperList *l = NULL;
        assert_int_equal(list_after(s, GPT, change, &l), 0);
        return l;
}

/* Makes an array NAME with a number and MD, the folder that tells it from other devices. */
#define MAKE(name, number, md) "mkdir -p " name "/" md "; echo 4095:" number " >" name "/dev;"
#define HOLD(name, partition) "ln -s ../../../" name " $n/${p}" partition "/holders/;"

static void array_of_esps_is_the_helper_and_its_members_are_none(void **state) {
        HelperList *l = helpers_after(*state, MAKE("md7", "7", "md") HOLD("md7", "1") HOLD("md7", "2"));
        assert_int_equal(l->n, 1); /* once */
        assert_string_equal(l->items[0].device, "md7");
        assert_string_equal(l->items[0].node, "/dev/md7");
        assert_true(l->items[0].devno == makedev(FAKE_MAJOR, 7));
        assert_int_equal(l->items[0].type, HELPER_ESP);
        assert_string_equal(l->items[0].partuuid, "11111111-aaaa-4000-8000-000000000001");
        assert_true(l->items[0].disk_has_xbootldr); /* though that is the same array, listed once */
        /* it does not exist on this machine */
        assert_int_equal(strv_length(l->notes), 2);
        assert_string_equal(l->notes[0], "md7: cannot be read: No such file or directory");
        helper_list_free(l);
}

static void array_is_listed_once_wherever_its_members_are(void **state) {
        HelperList *l = NULL;
        int r = list_after(*state,
                           "label: gpt\\nsize=8M, type=" TYPE_ESP "\\nsize=8M, type=" TYPE_XBOOTLDR
                           "\\nsize=8M, type=" TYPE_ESP "\\nsize=8M, type=" TYPE_ESP "\\n",
                           MAKE("md7", "7", "md") HOLD("md7", "1") HOLD("md7", "3"), &l);
        assert_int_equal(r, 0);
        assert_int_equal(l->n, 3);
        assert_string_equal(l->items[0].device, "md7");
        assert_non_null(strstr(l->items[1].device, "p2"));
        assert_non_null(strstr(l->items[2].device, "p4"));
        helper_list_free(l);
}

static void array_after_other_partitions_is_listed_once_too(void **state) {
        HelperList *l = NULL;
        int r = list_after(*state,
                           "label: gpt\\nsize=8M, type=" TYPE_ESP "\\nsize=8M, type=" TYPE_ESP
                           "\\nsize=8M, type=" TYPE_ESP "\\nsize=8M, type=" TYPE_ESP "\\n",
                           MAKE("md7", "7", "md") HOLD("md7", "3") HOLD("md7", "4"), &l);
        assert_int_equal(r, 0);
        assert_int_equal(l->n, 3);
        assert_string_equal(l->items[2].device, "md7");
        assert_false(l->items[2].disk_has_xbootldr);
        helper_list_free(l);
}

static void only_the_xbootldr_is_left(const HelperList *l) {
        assert_int_equal(l->n, 1);
        assert_int_equal(l->items[0].type, HELPER_XBOOTLDR);
        assert_null(l->notes);
}

static void partition_with_two_holders_is_left_out(void **state) {
        HelperList *l = helpers_after(*state, MAKE("md7", "7", "md") MAKE("md8", "8", "md") HOLD("md7", "1")
                                                      HOLD("md8", "1"));
        only_the_xbootldr_is_left(l);
        helper_list_free(l);
}

static void partition_that_something_else_is_made_of_is_left_out(void **state) {
        HelperList *l = helpers_after(*state, MAKE("dm-7", "7", "dm") HOLD("dm-7", "1"));
        only_the_xbootldr_is_left(l);
        helper_list_free(l);
}

static void table_of_a_whole_disk_in_an_array_belongs_to_the_array(void **state) {
        HelperList *l = helpers_after(*state, "rm md9/slaves/*; ln -s ../../$n md9/slaves/");
        assert_int_equal(l->n, 0);
        assert_null(l->notes);
        helper_list_free(l);
}

/* The number and the start must both be those of the table. */
static void partition_of_another_number_is_not_taken_for_it(void **state) {
        HelperList *l = helpers_after(*state, "echo 9 >$n/${p}1/partition");
        assert_int_equal(l->n, 1);
        assert_int_equal(l->items[0].type, HELPER_XBOOTLDR);
        assert_int_equal(strv_length(l->notes), 1);
        note_is(l, 0, UNKNOWN("1"));
        helper_list_free(l);
}

static void partition_without_a_start_is_not_taken_for_it(void **state) {
        HelperList *l = helpers_after(*state, "rm $n/${p}1/start");
        assert_int_equal(l->n, 1);
        note_is(l, 0, UNKNOWN("1"));
        helper_list_free(l);
}

static void partition_that_disappears_is_noted(void **state) {
        static const char *const ways[] = {
                "rm $n/${p}1/dev",                     /* its folder is still there */
                "ln -s ../../../md7 $n/${p}1/holders", /* what holds it is not */
        };
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                HelperList *l = helpers_after(s, ways[i]);
                assert_int_equal(l->n, 1);
                assert_int_equal(l->items[0].type, HELPER_XBOOTLDR);
                assert_int_equal(strv_length(l->notes), 1);
                note_is(l, 0, "partition 1 is gone");
                helper_list_free(l);
                shell("cd %s && rm -r devices dev class disk", s->path);
        }
}

/* the build will report what is wrong with it */
static void helper_that_cannot_be_opened_is_one_and_noted(void **state) {
        HelperList *l = helpers_after(*state, "echo 4095:77 >$n/${p}1/dev");
        assert_int_equal(l->n, 2);
        assert_int_equal(l->items[0].type, HELPER_ESP);
        assert_true(l->items[0].devno == makedev(FAKE_MAJOR, 77));
        assert_int_equal(strv_length(l->notes), 1);
        note_is(l, 0, "cannot be read: No such device");
        helper_list_free(l);
}

/* the node now belongs to another device */
static void table_of_another_device_under_the_name_is_not_read(void **state) {
        HelperList *l = helpers_after(*state, "echo 4095:77 >$n/dev");
        assert_int_equal(l->n, 0);
        assert_int_equal(strv_length(l->notes), 1);
        note_is(l, 0, "cannot read the partition table: No such device");
        helper_list_free(l);
}

static void malformed_sysfs_is_an_error(void **state) {
        static const struct {
                const char *change;
                int error;
        } cases[] = {
                {"echo words >$n/${p}1/dev", -EINVAL},
                {"rm -r $n/${p}1/holders; ln -s holders $n/${p}1/holders", -ELOOP},
                {"ln -s loop $n/${p}1/holders/loop", -ELOOP},
                {"rm -r md9/slaves; ln -s slaves md9/slaves", -ELOOP},
        };
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HelperList *l = NULL;
                assert_int_equal(list_after(s, GPT, cases[i].change, &l), cases[i].error);
                assert_null(l);
                shell("cd %s && rm -r devices dev class disk", s->path);
        }
}

/* ---- several disks ---- */

static void xbootldr_counts_for_its_own_disk(void **state) {
        const Scratch *s = *state;
        Scratch second = {.fd = -EBADF};
        HelperList *l = NULL;
        Disk a, b;
        assert_true(snprintf(second.path, sizeof(second.path), "%s/2", s->path) < (int) sizeof(second.path));
        shell("mkdir %s", second.path);
        disk_attach(&a, s, "40M", "label: gpt\\nsize=8M, type=" TYPE_ESP "\\nsize=8M\\n", true);
        copy_disk(s, &a);
        shell("cd %s && mv devices/md9/slaves/* . && rm -r devices/md9 dev class", s->path);
        disk_attach(&b, &second, "40M", GPT, true);
        copy_disk(s, &b);
        shell("mv %s/loop* %s/devices/md9/slaves/", s->path, s->path);
        int r = helper_list_new(s->path, makedev(FAKE_MAJOR, 9), &l);
        disk_detach(&a);
        disk_detach(&b);
        assert_int_equal(r, 0);
        assert_int_equal(l->n, 3);
        unsigned with = 0;
        for (size_t i = 0; i < l->n; i++)
                with += l->items[i].disk_has_xbootldr;
        assert_int_equal(with, 2);
        helper_list_free(l);
}

/* A sysfs where the array md9 is made of the partitions 1 of sdx, sdy and sdz, each on a disk of its own. */
static void make_array(const Scratch *s) {
        static const char *const disks[] = {"sdx", "sdy", "sdz"};
        sysfs_add_disk(s, "md9", 9);
        for (unsigned i = 0; i < ELEMENTSOF(disks); i++) {
                char path[16];
                (void) snprintf(path, sizeof(path), "%s/%s1", disks[i], disks[i]);
                sysfs_add_disk(s, disks[i], 16 * (i + 1));
                sysfs_add_partition(s, path, 16 * (i + 1) + 1);
                sysfs_add_slave(s, "md9", path);
        }
}

/* Which disks were searched is shown by the notes, since they are not real. */
static void notes_are(const Scratch *s, const char *const expected[static 4]) {
        HelperList *l = NULL;
        assert_int_equal(helper_list_new(s->path, makedev(FAKE_MAJOR, 9), &l), 0);
        assert_int_equal(l->n, 0);
        for (size_t i = 0; expected[i]; i++) {
                assert_true(i < strv_length(l->notes));
                assert_string_equal(l->notes[i], expected[i]);
                assert_true(expected[i + 1] || !l->notes[i + 1]);
        }
        helper_list_free(l);
}

static void pulled_member_is_noted_and_the_others_are_searched(void **state) {
        const Scratch *s = *state;
        make_array(s);
        notes_are(s, (const char *const[4]){UNREADABLE("sdx"), UNREADABLE("sdy"), UNREADABLE("sdz")});
        shell("rm -r %s/devices/sdy", s->path);
        notes_are(s, (const char *const[4]){"sdy1 is gone, its disk is not searched for helpers",
                                            UNREADABLE("sdx"), UNREADABLE("sdz")});
}

static void disk_without_a_number_is_noted(void **state) {
        const Scratch *s = *state;
        make_array(s);
        shell("rm %s/devices/sdy/dev", s->path);
        notes_are(s, (const char *const[4]){UNREADABLE("sdx"), UNREADABLE("sdy"), UNREADABLE("sdz")});
}

static void slashes_in_names_are_restored(void **state) {
        sysfs_add_disk(*state, "cciss!c0d0", 9);
        notes_are(*state, (const char *const[4]){UNREADABLE("cciss/c0d0")});
}

static void device_that_is_gone_is_reported(void **state) {
        HelperList *l = NULL;
        assert_int_equal(helper_list_new("/sys", makedev(FAKE_MAJOR, 77), &l), -ENOENT);
        assert_null(l);
        assert_null(helper_list_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(helpers_of_a_partition_are_those_of_its_disk),
                scratch_test(helpers_are_in_the_order_of_their_numbers),
                scratch_test(disk_without_a_gpt_has_none),
                scratch_test(partition_that_the_kernel_does_not_know_is_left_out),
                scratch_test(partition_that_moved_is_left_out),
                scratch_test(array_of_esps_is_the_helper_and_its_members_are_none),
                scratch_test(array_is_listed_once_wherever_its_members_are),
                scratch_test(array_after_other_partitions_is_listed_once_too),
                scratch_test(partition_that_something_else_is_made_of_is_left_out),
                scratch_test(partition_with_two_holders_is_left_out),
                scratch_test(table_of_a_whole_disk_in_an_array_belongs_to_the_array),
                scratch_test(partition_of_another_number_is_not_taken_for_it),
                scratch_test(partition_without_a_start_is_not_taken_for_it),
                scratch_test(partition_that_disappears_is_noted),
                scratch_test(helper_that_cannot_be_opened_is_one_and_noted),
                scratch_test(table_of_another_device_under_the_name_is_not_read),
                scratch_test(malformed_sysfs_is_an_error),
                scratch_test(xbootldr_counts_for_its_own_disk),
                scratch_test(pulled_member_is_noted_and_the_others_are_searched),
                scratch_test(disk_without_a_number_is_noted),
                scratch_test(slashes_in_names_are_restored),
                cmocka_unit_test(device_that_is_gone_is_reported),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
