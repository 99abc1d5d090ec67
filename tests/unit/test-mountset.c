/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/mountset.h"

#include "disk.h"

/* A disk that can be pulled: an empty loop device with a number that nobody else uses. */
typedef struct Device {
        int control, number;
        dev_t devno;
} Device;

static void device_plug(Device *d) {
        struct stat st;
        char node[32];
        if (geteuid() != 0)
                skip();
        *d = (Device){.control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), .number = 10000 + getpid()};
        assert_true(d->control >= 0);
        /* another PID namespace may have the same numbers, or a killed test may have left it behind */
        while (ioctl(d->control, LOOP_CTL_ADD, d->number) < 0) {
                assert_int_equal(errno, EEXIST);
                d->number += 1000;
        }
        (void) snprintf(node, sizeof(node), "/dev/loop%i", d->number);
        assert_int_equal(stat(node, &st), 0);
        d->devno = st.st_rdev;
}

/* udevd may be probing it, which makes it busy. */
static void device_pull(Device *d) {
        int r = -1;
        for (int i = 0; i < 100 && r < 0; i++) {
                assert_true(i == 0 || errno == EBUSY);
                assert_true(system("udevadm settle --timeout=10") >= 0);
                r = ioctl(d->control, LOOP_CTL_REMOVE, d->number);
        }
        assert_int_equal(r, 0);
        close(d->control);
}

static void on_change(MountChange change, const MountEntry *e, void *userdata) {
        static const char words[] = {[MOUNT_ADDED] = '+', [MOUNT_CHANGED] = '~', [MOUNT_REMOVED] = '-'};
        char *said = userdata;
        size_t n = strlen(said);
        assert_true(n < 90);
        (void) snprintf(said + n, 100 - n, "%c%s ", words[change], e->target);
}

static void says(MountSet *s, const char *expected) {
        char said[100] = "";
        assert_int_equal(mount_set_tell(s, on_change, said), 0);
        assert_string_equal(said, expected);
}

static MountFacts ext4_of(dev_t devno, const char *target) {
        return (MountFacts){
                .id = 7, .devno = devno, .source = "/dev/x", .root = "/", .target = target, .fstype = "ext4"};
}

static void a_mount_stays_when_its_device_is_pulled(void **state) {
        _cleanup_(mount_set_freep) MountSet *s = NULL;
        Device d;
        device_plug(&d);
        MountFacts f = ext4_of(d.devno, "/a");
        int r = mount_set_new(&s);
        int r2 = r < 0 ? r : mount_set_add(s, 7, 1, &f);
        device_pull(&d);
        assert_int_equal(r2, 0);
        says(s, "+/a ");
        assert_int_equal(mount_set_begin(s), 0); /* listed again */
        assert_int_equal(mount_set_add(s, 7, 1, &f), 0);
        says(s, "");
        mount_set_remove(s, 7);
        says(s, "-/a ");
        assert_int_equal(mount_set_add(s, 7, 1, &f), 0); /* nothing is known about it any more */
        says(s, "");
}

static void another_mount_of_its_id_is_not_the_one_whose_device_was_pulled(void **state) {
        _cleanup_(mount_set_freep) MountSet *s = NULL;
        Device d;
        device_plug(&d);
        MountFacts f = ext4_of(d.devno, "/a"),
                   other = {.id = 7, .root = "/", .target = "/a", .fstype = "tmpfs"};
        int r = mount_set_new(&s);
        int r2 = r < 0 ? r : mount_set_add(s, 7, 1, &f);
        device_pull(&d);
        assert_int_equal(r2, 0);
        says(s, "+/a ");
        assert_int_equal(mount_set_begin(s), 0);
        assert_int_equal(mount_set_add(s, 7, 1, &other), 0);
        says(s, "-/a ");
}

static void a_changed_mount_is_reported_once(void **state) {
        _cleanup_(mount_set_freep) MountSet *s = NULL;
        uint64_t *volumes = NULL;
        size_t n = 0;
        Device d;
        device_plug(&d);
        MountFacts f = ext4_of(d.devno, "/a"),
                   tmpfs = {.id = 8, .root = "/", .target = "/b", .fstype = "tmpfs"};
        int r = mount_set_new(&s);
        int r2 = r < 0 ? r : mount_set_add(s, 7, 1, &f);
        device_pull(&d);
        assert_int_equal(r2, 0);
        assert_int_equal(mount_set_add(s, 8, 1, &tmpfs), 0);
        says(s, "+/a ");
        assert_int_equal(mount_set_volumes(s, &volumes, &n), 0);
        assert_int_equal(n, 1); /* a tmpfs is not one */
        assert_int_equal(volumes[0], 7);
        free(volumes);
        assert_int_equal(
                mount_set_renew(s, 7, 1, &(MountFacts){.target = "/a", .root = "/", .read_only = true}), 0);
        says(s, "~/a ");
        says(s, "");
        /* renamed subvolume, or moved: list again */
        assert_int_equal(mount_set_renew(s, 7, 1, &(MountFacts){.target = "/a", .root = "/@"}), 1);
        assert_int_equal(mount_set_renew(s, 7, 1, &(MountFacts){.target = "/b", .root = "/"}), 1);
}

/* A volume that is gone does not count, even before that is reported. */
static void a_mount_that_is_gone_is_not_a_volume(void **state) {
        _cleanup_(mount_set_freep) MountSet *s = NULL;
        uint64_t *volumes = NULL;
        size_t n = 4711;
        Device d;
        device_plug(&d);
        MountFacts f = ext4_of(d.devno, "/a"), g = ext4_of(d.devno, "/b");
        g.id = 8;
        int r = mount_set_new(&s);
        int r2 = r < 0 ? r : mount_set_add(s, 7, 1, &f), r3 = r2 < 0 ? r2 : mount_set_add(s, 8, 1, &g);
        device_pull(&d);
        assert_int_equal(r3, 0);
        mount_set_remove(s, 7);
        assert_int_equal(mount_set_volumes(s, &volumes, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(volumes[0], 8);
        free(volumes);
        assert_int_equal(mount_set_begin(s), 0); /* listed again, without it */
        assert_int_equal(mount_set_volumes(s, &volumes, &n), 0);
        assert_int_equal(n, 0);
        free(volumes);
        says(s, "");
}

/* What a mount was like when its device was pulled: as long as all of that is the same, it is the same. */
static void mount_whose_device_was_pulled_is_known_by_all_that_is_left(void **state) {
        static const MountFacts others[] = {
                {.id = 8, .root = "/", .target = "/a", .fstype = "ext4"},
                {.id = 7, .root = "/@", .target = "/a", .fstype = "ext4"},
                {.id = 7, .root = "/", .target = "/b", .fstype = "ext4"},
                {.id = 7, .root = "/", .target = "/a", .fstype = "xfs"},
        };
        MountSet *sets[ELEMENTSOF(others)] = {};
        Device d;
        device_plug(&d);
        MountFacts f = ext4_of(d.devno, "/a");
        int r = 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(others); i++) {
                r = mount_set_new(&sets[i]);
                if (r >= 0)
                        r = mount_set_add(sets[i], 7, 1, &f);
        }
        device_pull(&d);
        assert_int_equal(r, 0);
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                says(sets[i], "+/a ");
                assert_int_equal(mount_set_begin(sets[i]), 0);
                assert_int_equal(mount_set_add(sets[i], 7, 1, &others[i]), 0);
                says(sets[i], "-/a ");
                mount_set_free(sets[i]);
        }
}

/* Changes one property of the mount 7 at a time, and what is mounted on it; and what is reported, as
 * lines. */
static int tell_of_each_fact(dev_t devno, dev_t other, char *said) {
        MountFacts f = ext4_of(devno, "/a"),
                   tmpfs = {.id = 8, .root = "/", .fstype = "tmpfs", .target = "/a"};
        _cleanup_(mount_set_freep) MountSet *s = NULL;
        int r = mount_set_new(&s);
        for (int fact = 0; r >= 0 && fact < 9; fact++) {
                f.id += fact == 1;
                f.devno = fact >= 2 ? other : devno;
                f.root = fact >= 3 ? "/@" : "/";
                f.fstype = fact >= 4 ? "xfs" : "ext4";
                f.read_only = fact >= 5;
                f.target = fact >= 6 ? "/b" : "/a";
                tmpfs.target = fact >= 7 ? "/b" : "/elsewhere";
                r = mount_set_begin(s);
                if (r >= 0)
                        r = mount_set_add(s, 7, 1, &f);
                if (r >= 0)
                        r = mount_set_add(s, 8, fact == 7 ? 7 : 1, &tmpfs);
                if (fact == 8) /* in the same place as the mount: it is not certain which is on top */
                        r = r == 1 ? 0 : -EPROTO;
                if (r >= 0)
                        r = mount_set_tell(s, on_change, said);
                strcat(said, "| ");
        }
        return r;
}

static void each_fact_of_a_mount_counts(void **state) {
        char said[200] = "";
        Device d, other;
        device_plug(&d);
        other = d;
        other.control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        do
                other.number++;
        while (ioctl(other.control, LOOP_CTL_ADD, other.number) < 0 && errno == EEXIST);
        struct stat st;
        char node[32];
        (void) snprintf(node, sizeof(node), "/dev/loop%i", other.number);
        int there = stat(node, &st);
        int r = tell_of_each_fact(d.devno, st.st_rdev, said);
        device_pull(&other);
        device_pull(&d);
        assert_int_equal(there, 0);
        assert_int_equal(r, 0);
        assert_string_equal(said, "+/a | "     /* new */
                                  "-/a +/a | " /* another id, */
                                  "-/a +/a | " /* device, */
                                  "-/a +/a | " /* root, */
                                  "-/a +/a | " /* type: another mount */
                                  "~/a | "     /* read-only */
                                  "~/b | "     /* moved */
                                  "-/b | "     /* covered */
                                  "+/b | ");   /* and no longer, or not for certain */
}

/* The same device, which holds another medium by now. */
static void another_medium_is_another_mount(void **state) {
        const Scratch *scratch = *state;
        _cleanup_(mount_set_freep) MountSet *s = NULL;
        Disk d;
        disk_attach_own(&d, scratch, "1M");
        const MountFacts f = ext4_of(disk_devno(d.node), "/a");
        assert_int_equal(mount_set_new(&s), 0);
        assert_int_equal(mount_set_add(s, 7, 1, &f), 0);
        says(s, "+/a ");
        char image[128];
        (void) snprintf(image, sizeof(image), "%s/disk", scratch->path);
        disk_change_medium(&d, image);
        assert_int_equal(mount_set_begin(s), 0);
        assert_int_equal(mount_set_add(s, 7, 1, &f), 0);
        says(s, "-/a +/a ");
        disk_detach(&d);
}

static void on_cover(const MountEntry *on, const char *target, void *userdata) {
        char *said = userdata;
        size_t n = strlen(said);
        assert_true(n < 90);
        (void) snprintf(said + n, 100 - n, "%s on %s, ", target, on->target);
}

static void says_covers(MountSet *s, const char *expected) {
        char said[100] = "";
        assert_int_equal(mount_set_tell_covers(s, on_cover, said), 0);
        assert_string_equal(said, expected);
}

static void mounts_within_a_reported_one_are_reported(void **state) {
        _cleanup_(mount_set_freep) MountSet *s = NULL;
        Device d;
        device_plug(&d);
        const MountFacts f = ext4_of(d.devno, "/a");
        MountFacts tmpfs = {.root = "/", .fstype = "tmpfs", .target = "/a/there"};
        int r = mount_set_new(&s);
        int r2 = r < 0 ? r : mount_set_add(s, 7, 1, &f);
        device_pull(&d);
        assert_int_equal(r2, 0);
        assert_int_equal(mount_set_add(s, 8, 7, &tmpfs), 0);
        says_covers(s, ""); /* it is not reported itself */
        says(s, "+/a ");
        says_covers(s, ""); /* that existed before */
        tmpfs.target = "/a/x";
        assert_int_equal(mount_set_add(s, 9, 7, &tmpfs), 0);
        tmpfs.target = "/b";
        assert_int_equal(mount_set_add(s, 10, 1, &tmpfs), 0);
        tmpfs.target = "/a/x/y";
        assert_int_equal(mount_set_add(s, 11, 9, &tmpfs), 0); /* within another */
        says_covers(s, "/a/x on /a, ");
        says_covers(s, "");
        mount_set_remove(s, 11);
        mount_set_remove(s, 9);
        mount_set_remove(s, 10);
        says_covers(s, "/a/x on /a, ");
        mount_set_remove(s, 8);
        says_covers(s, "/a/there on /a, ");
        says_covers(s, "");
        tmpfs.target = "/a/x";
        assert_int_equal(mount_set_add(s, 9, 7, &tmpfs), 0);
        says_covers(s, "/a/x on /a, ");
        assert_int_equal(mount_set_begin(s), 0); /* the same list, and it was moved */
        assert_int_equal(mount_set_add(s, 7, 1, &f), 0);
        tmpfs.target = "/a/z";
        assert_int_equal(mount_set_add(s, 9, 7, &tmpfs), 0);
        says_covers(s, "/a/x on /a, /a/z on /a, ");
        mount_set_remove(s, 7); /* if the one that contains it is of no interest */
        mount_set_remove(s, 9);
        says(s, "-/a ");
        says_covers(s, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_mount_stays_when_its_device_is_pulled),
                cmocka_unit_test(another_mount_of_its_id_is_not_the_one_whose_device_was_pulled),
                cmocka_unit_test(a_changed_mount_is_reported_once),
                cmocka_unit_test(a_mount_that_is_gone_is_not_a_volume),
                cmocka_unit_test(mount_whose_device_was_pulled_is_known_by_all_that_is_left),
                cmocka_unit_test(each_fact_of_a_mount_counts),
                scratch_test(another_medium_is_another_mount),
                cmocka_unit_test(mounts_within_a_reported_one_are_reported),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
