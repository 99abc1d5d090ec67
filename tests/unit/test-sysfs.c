/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/sysfs.h"

#include <limits.h>
#include <sys/sysmacros.h>

#include "interpose.h"

static bool inherited; /* a descriptor that is read from would go on to a child */

ssize_t read(int fd, void *buffer, size_t size) {
        inherited = inherited || !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        return REAL(read)(fd, buffer, size);
}

static void errors_of_missing_devices_are_distinguished(void **state) {
        assert_true(sysfs_is_gone(-ENOENT));
        assert_true(sysfs_is_gone(-ENOTDIR));
        assert_true(sysfs_is_gone(-ENODEV));
        assert_true(sysfs_is_gone(-ENXIO));
        assert_false(sysfs_is_gone(0));
        assert_false(sysfs_is_gone(-ENOMEM));
        assert_false(sysfs_is_gone(-EIO));
        assert_false(sysfs_is_gone(-ELOOP));
}

static void attributes_are_read(void **state) {
        const Scratch *s = *state;
        uint64_t n = 77;
        dev_t devno = 77;
        scratch_write(s, "d/start", "2048\n");
        scratch_write(s, "d/bare", "12");
        scratch_write(s, "d/lines", "1\n2\n");
        scratch_write(s, "d/empty", "");
        scratch_write(s, "d/words", "12 13\n");
        scratch_write(s, "d/long",
                      "0000000000"
                      "0000000000"
                      "0000000000"
                      "0000000000"
                      "0000000000"
                      "0000000000"
                      "001234");
        scratch_write(s, "d/dev", "8:17\n");
        scratch_write(s, "e/dev", "8\n");
        char *d = NULL, *e = NULL;
        assert_int_equal(strprintf(&d, "%s/d", s->path), 0);
        assert_int_equal(strprintf(&e, "%s/e", s->path), 0);
        assert_int_equal(sysfs_read_number(d, "start", &n), 0);
        assert_int_equal(n, 2048);
        assert_int_equal(sysfs_read_number(d, "bare", &n), 0);
        assert_int_equal(n, 12);
        assert_int_equal(sysfs_read_number(d, "lines", &n), 0);
        assert_int_equal(n, 1);
        n = 77;
        assert_int_equal(sysfs_read_number(d, "empty", &n), -ENODATA);
        assert_int_equal(sysfs_read_number(d, "words", &n), -EINVAL);
        assert_int_equal(sysfs_read_number(d, "none", &n), -ENOENT);
        assert_int_equal(sysfs_read_number(s->path, "d", &n), -EISDIR);
        assert_int_equal(n, 77);
        assert_int_equal(sysfs_read_number(d, "long", &n), 0); /* as much as there is room for */
        assert_int_equal(n, 1);
        assert_int_equal(sysfs_read_devno(d, &devno), 0);
        assert_true(devno == makedev(8, 17));
        assert_int_equal(sysfs_read_devno(e, &devno), -EINVAL);
        assert_true(devno == makedev(8, 17));
        assert_int_equal(sysfs_read_devno(s->path, &devno), -ENOENT);
        assert_false(sysfs_is_partition(d));
        scratch_write(s, "d/partition", "1\n");
        assert_true(sysfs_is_partition(d));
        free(d);
        free(e);
}

static void path_of_maximal_length_is_read_and_a_longer_one_is_not(void **state) {
        char far[PATH_MAX + 1];
        uint64_t n = 77;
        memset(far, '/', sizeof(far));
        far[PATH_MAX - 1 - strlen("/none")] = 0;
        assert_int_equal(sysfs_read_number(far, "none", &n), -ENOENT);
        assert_int_equal(sysfs_read_number(far, "nonee", &n), -ENAMETOOLONG);
        assert_int_equal(n, 77);
}

static void files_are_opened_close_on_exec(void **state) {
        uint64_t n = 77;
        scratch_write(*state, "n", "1");
        inherited = false;
        assert_int_equal(sysfs_read_number(((const Scratch *) *state)->path, "n", &n), 0);
        assert_false(inherited);
}

static void names_are_listed_sorted_without_the_hidden(void **state) {
        const Scratch *s = *state;
        char **names = NULL;
        scratch_write(s, "d/b", "");
        scratch_write(s, "d/.hidden", "");
        scratch_write(s, "d/a", "");
        assert_int_equal(mkdirat(s->fd, "empty", 0755), 0);
        assert_int_equal(symlinkat("loop", s->fd, "loop"), 0);
        assert_int_equal(sysfs_list(s->path, "d", &names), 0);
        assert_int_equal(strv_length(names), 2);
        assert_string_equal(names[0], "a");
        assert_string_equal(names[1], "b");
        names = strv_free(names);
        assert_int_equal(sysfs_list(s->path, "empty", &names), 0);
        assert_null(names);
        assert_int_equal(sysfs_list(s->path, "none", &names), 0);
        assert_int_equal(sysfs_list(s->path, "d/a", &names), 0); /* not a folder */
        assert_null(names);
        assert_int_equal(sysfs_list(s->path, "loop", &names), -ELOOP);
        assert_null(names);
}

static void links_and_names_lead_to_devices(void **state) {
        const Scratch *s = *state;
        char *to = NULL, *expected = NULL;
        scratch_write(s, "devices/sda/dev", "");
        assert_int_equal(symlinkat("devices/sda", s->fd, "link"), 0);
        assert_int_equal(sysfs_follow(s->path, "link", &to), 0);
        assert_int_equal(strprintf(&expected, "%s/devices/sda", s->path), 0);
        assert_string_equal(to, expected);
        free(to);
        free(expected);
        to = NULL;
        assert_int_equal(sysfs_follow(s->path, "none", &to), -ENOENT);
        assert_null(to);
        assert_int_equal(sysfs_device_name("/sys/devices/cciss!c0!d0", &to), 0);
        assert_string_equal(to, "cciss/c0/d0");
        free(to);
        assert_int_equal(sysfs_device_name("/sys/a!b/sda1", &to), 0);
        assert_string_equal(to, "sda1");
        free(to);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(errors_of_missing_devices_are_distinguished),
                scratch_test(attributes_are_read),
                cmocka_unit_test(path_of_maximal_length_is_read_and_a_longer_one_is_not),
                scratch_test(files_are_opened_close_on_exec),
                scratch_test(names_are_listed_sorted_without_the_hidden),
                scratch_test(links_and_names_lead_to_devices),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
