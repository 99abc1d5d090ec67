/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/helper.h"

#include "disk.h"
#include "interpose.h"

static int fstat_error;

int fstat(int fd, struct stat *ret) {
        if (fstat_error > 0) {
                errno = fstat_error;
                return -1;
        }
        return REAL(fstat)(fd, ret);
}

#define UUID "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"

static void another_device_under_the_name_is_not_opened(void **state) {
        const Scratch *s = *state;
        Disk d;
        int fd = -EBADF;
        disk_attach(&d, s, "1M", NULL, false);
        dev_t devno = disk_devno(d.node);
        int no_device = helper_open_device("/dev/null", disk_devno("/dev/null"), &fd);
        int other = helper_open_device(d.node, makedev(major(devno), minor(devno) + 1), &fd);
        disk_detach(&d);
        assert_int_equal(no_device, -ENODEV);
        assert_int_equal(other, -ENODEV);
        assert_int_equal(helper_open_device("/dev/none", devno, &fd), -ENOENT);
        assert_int_equal(fd, -EBADF);
}

static void device_whose_number_cannot_be_read_is_not_opened(void **state) {
        int fd = -EBADF;
        fstat_error = EIO;
        int r = helper_open_device("/dev/null", disk_devno("/dev/null"), &fd);
        fstat_error = 0;
        assert_int_equal(r, -EIO);
        assert_int_equal(fd, -EBADF);
}

static void device_is_opened_read_only_nonblocking_and_close_on_exec(void **state) {
        const Scratch *s = *state;
        Disk d;
        int fd = -EBADF;
        disk_attach(&d, s, "1M", NULL, false);
        int r = helper_open_device(d.node, disk_devno(d.node), &fd);
        int flags = fcntl(fd, F_GETFL), fd_flags = fcntl(fd, F_GETFD);
        closep(&fd);
        disk_detach(&d);
        assert_int_equal(r, 0);
        assert_int_equal(flags & O_ACCMODE, O_RDONLY);
        assert_true(flags & O_NONBLOCK);
        assert_true(fd_flags & FD_CLOEXEC);
}

/* What is found on a device after COMMAND, in which $d is the device. */
static Helper probe_after(const Scratch *s, const char *command) {
        Disk d;
        disk_attach(&d, s, "8M", NULL, false);
        Helper h = {.node = strdup(d.node), .devno = disk_devno(d.node)};
        shell("d=%s; %s", d.node, command);
        int r = helper_probe_filesystem(&h);
        disk_detach(&d);
        shell("rm %s/disk", s->path);
        assert_int_equal(r, 0);
        return h;
}

static void type_and_uuid_are_those_of_the_file_system(void **state) {
        Helper h = probe_after(*state, "mkfs.ext4 -q -F -U " UUID " $d");
        assert_string_equal(h.fs_type, "ext4");
        assert_string_equal(h.fs_uuid, UUID);
        helper_done(&h);
        assert_null(h.node);
        assert_null(h.fs_type);
}

static void file_system_may_have_no_uuid(void **state) {
        Helper h = probe_after(*state, "printf SWAP-SPACE | dd of=$d bs=1 seek=4086 status=none");
        assert_string_equal(h.fs_type, "swap");
        assert_null(h.fs_uuid);
        helper_done(&h);
}

static void no_file_system_and_several_count_as_none(void **state) {
        static const char *const commands[] = {
                "true",
                "mkfs.ext4 -q -F $d && printf SWAP-SPACE | dd of=$d bs=1 seek=4086 status=none",
        };
        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                Helper h = probe_after(*state, commands[i]);
                assert_null(h.fs_type);
                assert_null(h.fs_uuid);
                helper_done(&h);
        }
}

static void device_that_cannot_be_opened_is_an_error(void **state) {
        char node[] = "/dev/none";
        Helper h = {.node = node};
        assert_int_equal(helper_probe_filesystem(&h), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(another_device_under_the_name_is_not_opened),
                cmocka_unit_test(device_whose_number_cannot_be_read_is_not_opened),
                scratch_test(device_is_opened_read_only_nonblocking_and_close_on_exec),
                scratch_test(type_and_uuid_are_those_of_the_file_system),
                scratch_test(file_system_may_have_no_uuid),
                scratch_test(no_file_system_and_several_count_as_none),
                cmocka_unit_test(device_that_cannot_be_opened_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
