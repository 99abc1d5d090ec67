/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: tree/attributes.c */

#include "tree/attributes.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include "tree/fingerprint.h"

#include "interpose.h"
#include "scratch.h"

/* Another kernel, or another file system. */
static struct { int list, get; /* errno, or 0 */ } failing;

ssize_t flistxattr(int fd, char *list, size_t size) {
        if (failing.list != 0) {
                errno = failing.list;
                return -1;
        }
        return REAL(flistxattr)(fd, list, size);
}

ssize_t fgetxattr(int fd, const char *name, void *value, size_t size) {
        if (failing.get != 0) {
                errno = failing.get;
                return -1;
        }
        return REAL(fgetxattr)(fd, name, value, size);
}

static int open_file(const Scratch *s) {
        scratch_write(s, "file", "text");
        int fd = openat(s->fd, "file", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static Fingerprint with_attributes(int fd) {
        Fingerprint f = {{7}};
        assert_int_equal(attributes_add(fd, &f), 0);
        return f;
}

static void each_name_and_value_counts(void **state) {
        _cleanup_close_ int fd = open_file(*state);
        Fingerprint none = {{7}}, all[5];
        all[0] = with_attributes(fd);
        assert_true(fingerprint_equal(&none, &all[0]));
        if (fsetxattr(fd, "user.a", "1", 1, 0) < 0)
                skip();
        all[1] = with_attributes(fd);
        assert_int_equal(fsetxattr(fd, "user.b", "", 0, 0), 0);
        all[2] = with_attributes(fd);
        assert_int_equal(fsetxattr(fd, "user.a", "2", 1, 0), 0);
        all[3] = with_attributes(fd);
        assert_int_equal(fremovexattr(fd, "user.a"), 0);
        all[4] = with_attributes(fd);
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                for (size_t k = 0; k < i; k++)
                        assert_false(fingerprint_equal(&all[i], &all[k]));
        assert_int_equal(fremovexattr(fd, "user.b"), 0);
        all[1] = with_attributes(fd);
        assert_true(fingerprint_equal(&none, &all[1]));
}

/* The order in which they came does not, nor what only root would see. */
static void their_order_does_not_count(void **state) {
        _cleanup_close_ int fd = open_file(*state);
        if (fsetxattr(fd, "user.a", "1", 1, 0) < 0 || fsetxattr(fd, "user.b", "2", 1, 0) < 0)
                skip();
        Fingerprint one = with_attributes(fd);
        assert_int_equal(fremovexattr(fd, "user.a"), 0);
        assert_int_equal(fsetxattr(fd, "user.a", "1", 1, 0), 0);
        Fingerprint other = with_attributes(fd);
        assert_true(fingerprint_equal(&one, &other));
        if (fsetxattr(fd, "trusted.c", "3", 1, 0) < 0)
                return;
        other = with_attributes(fd);
        assert_true(fingerprint_equal(&one, &other));
}

static void what_cannot_be_read_is_an_error(void **state) {
        _cleanup_close_ int fd = open_file(*state);
        Fingerprint f = {{7}};
        failing.list = ENOTSUP; /* then there are none */
        assert_int_equal(attributes_add(fd, &f), 0);
        failing.list = EIO;
        assert_int_equal(attributes_add(fd, &f), -EIO);
        failing.list = 0;
        failing.get = EACCES;
        if (fsetxattr(fd, "user.a", "1", 1, 0) >= 0)
                assert_int_equal(attributes_add(fd, &f), -EACCES);
        failing.get = 0;
        assert_int_equal(f.bytes[0], 7);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(each_name_and_value_counts),
                scratch_test(their_order_does_not_count),
                scratch_test(what_cannot_be_read_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
