/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/pin.h"

#include <libmount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fixture.h"
#include "interpose.h"

static unsigned tables; /* that were read */

struct libmnt_table *mnt_new_table_from_file(const char *file) {
        tables++;
        return REAL(mnt_new_table_from_file)(file);
}

/* The mount at TARGET is looked for in our own namespace, where it is not. */
static void assert_unreached(const char *target, dev_t devno, unsigned read) {
        const MountEntry mount = {.devno = devno, .root = (char *) "/", .target = (char *) target};
        int fd = 1000;
        tables = 0;
        assert_int_equal(pin_mount(&mount, true, &fd), -ESTALE);
        assert_int_equal(fd, 1000);
        assert_int_equal(tables, read);
}

static dev_t device_of(const char *path) {
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        return st.st_dev;
}

static void where_nothing_is_mounted_no_table_is_read(void **state) {
        const Scratch *s = *state;
        char *path = outer_path(s, "mnt");
        assert_int_equal(mkdir(path, 0700), 0);
        assert_unreached(path, device_of(path), 0);
        free(path);
}

/* An anonymous device says nothing: btrfs has one. */
static void where_another_device_is_mounted_no_table_is_read(void **state) {
        assert_unreached("/", makedev(4095, 4095), major(device_of("/")) == 0);
        assert_unreached("/proc", makedev(4095, 4095), 1);
}

static void nothing_that_is_not_there_is_held(void **state) {
        const MountEntry mount = {.target = (char *) "/no/such/place"};
        int fd = 1000;
        int r = pin_mount(&mount, true, &fd);
        assert_true(r == -ENOENT || r == -EAGAIN); /* that it is not there need not be in memory */
        assert_int_equal(fd, 1000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(where_nothing_is_mounted_no_table_is_read),
                cmocka_unit_test(where_another_device_is_mounted_no_table_is_read),
                cmocka_unit_test(nothing_that_is_not_there_is_held),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
