/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/builderorder.h"

#include <sys/mman.h>

#include "fixture.h"

static int file_of(const char *bytes, size_t size) {
        int fd = memfd_create("test", MFD_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, bytes, size), 0);
        return fd;
}

static void order_survives(const BuilderOrder *order) {
        BuilderOrder got = {};
        int fd = -EBADF;
        assert_int_equal(builderorder_write(order, &fd), 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(builderorder_read(fd, &got), 0);
        close(fd);
        assert_string_equal(got.name, order->name);
        assert_int_equal(got.timeout_usec, order->timeout_usec);
        assert_int_equal(got.inside, order->inside);
        assert_int_equal(got.learn, order->learn);
        assert_int_equal(strv_length(got.argv), strv_length(order->argv));
        for (size_t i = 0; order->argv[i]; i++)
                assert_string_equal(got.argv[i], order->argv[i]);
        assert_int_equal(strv_length(got.environ), strv_length(order->environ));
        for (size_t i = 0; order->environ && order->environ[i]; i++)
                assert_string_equal(got.environ[i], order->environ[i]);
        builderorder_done(&got);
}

static void what_is_written_is_read(void **state) {
        char name[] = "pack", program[] = "/bin/sh", empty[] = "", lines[] = "a\nb", a[] = "A=1", b[] = "B=";
        char *argv[] = {program, empty, lines, NULL}, *alone[] = {program, NULL}, *more[] = {a, b, NULL};
        order_survives(&(BuilderOrder){name, USEC_INFINITY, true, LEARN_LOOKUPS, argv, more});
        order_survives(&(BuilderOrder){name, 17, false, LEARN_NO, alone, NULL});
}

static void garbage_is_no_order(void **state) {
#define CASE(s)                                                                                              \
        { s, sizeof(s) - 1 }
        static const struct {
                const char *bytes;
                size_t size;
        } cases[] = {
                {"", 0},
                CASE("pack\0"
                     "1\0host\0no\0"
                     "0\0"), /* no program */
                CASE("pack\0"
                     "1\0host\0no\0"
                     "2\0/bin/sh\0"), /* too few */
                CASE("pack\0x\0host\0no\0"
                     "1\0/bin/sh\0"),
                CASE("pack\0"
                     "1\0host\0no\0x\0/bin/sh\0"),
                CASE("pack\0"
                     "1\0host\0some\0"
                     "1\0/bin/sh\0"),
                CASE("pack\0"
                     "1\0host\0no\0"
                     "1\0/bin/sh"), /* cut off */
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                BuilderOrder got = {.timeout_usec = 5};
                int fd = file_of(cases[i].bytes, cases[i].size);
                assert_int_equal(builderorder_read(fd, &got), -EBADMSG);
                assert_int_equal(got.timeout_usec, 5);
                assert_null(got.argv);
                close(fd);
        }
        BuilderOrder got = {};
        assert_int_equal(builderorder_read(1000, &got), -ENOMEM);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_written_is_read),
                cmocka_unit_test(garbage_is_no_order),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
