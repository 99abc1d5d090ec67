/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/parse.h"

#include <limits.h>
#include <sys/sysmacros.h>

#include "scratch.h"

static void numbers_are_digits_and_nothing_else(void **state) {
        static const struct {
                const char *text;
                uint64_t value;
        } good[] = {{"0", 0},
                    {"7", 7},
                    {"10", 10},
                    {"0123456789", 123456789},
                    {"18446744073709551615", UINT64_MAX}};
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                uint64_t n = 1;
                assert_int_equal(parse_u64(good[i].text, &n), 0);
                assert_true(n == good[i].value);
        }
        static const char *const bad[] = {"",   " 1",  "1 ",   "+1", "-1", "-0", "0x10", "1a",
                                          "a1", "1.0", "1\n2", ":",  "/",  "１", "1,000"};
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                uint64_t n = 42;
                assert_int_equal(parse_u64(bad[i], &n), -EINVAL);
                assert_int_equal(n, 42);
        }
}

static void numbers_that_are_too_large_are_a_different_error(void **state) {
        uint64_t n = 42;
        unsigned u = 42;
        assert_int_equal(parse_u64("18446744073709551616", &n), -ERANGE);
        assert_int_equal(parse_u64("18446744073709551620", &n), -ERANGE);
        assert_int_equal(parse_u64("184467440737095516150", &n), -ERANGE);
        assert_int_equal(parse_u64("99999999999999999999x", &n), -EINVAL);
        assert_int_equal(parse_u64_max("101", 100, &n), -ERANGE);
        assert_int_equal(n, 42);
        assert_int_equal(parse_u64_max("100", 100, &n), 0);
        assert_int_equal(n, 100);
        assert_int_equal(parse_u64_max("0", 0, &n), 0);
        assert_int_equal(n, 0);
        assert_int_equal(parse_unsigned("4294967296", &u), -ERANGE);
        assert_int_equal(parse_unsigned("x", &u), -EINVAL);
        assert_int_equal(u, 42);
        assert_int_equal(parse_unsigned("4294967295", &u), 0);
        assert_int_equal(u, UINT_MAX);
}

static void digits_are_taken_off_the_beginning(void **state) {
        static const struct {
                const char *text;
                unsigned base;
                uint64_t value;
                const char *rest;
        } cases[] = {
                {"12ab", 10, 12, "ab"},
                {"0644:", 8, 0644, ":"},
                {"789", 8, 7, "89"},
                {"ffg", 16, 0xff, "g"},
                {"aA0", 16, 0xa, "A0"},
                {"777", 8, 0777, ""},
                {"ffffffffffffffff", 16, UINT64_MAX, ""},
                {"1777777777777777777777", 8, UINT64_MAX, ""},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *s = cases[i].text;
                uint64_t n = 0;
                assert_int_equal(parse_digits(&s, cases[i].base, &n), 0);
                assert_true(n == cases[i].value);
                assert_string_equal(s, cases[i].rest);
        }
}

static void no_digits_move_nothing(void **state) {
        static const struct {
                const char *text;
                unsigned base;
                int r;
        } cases[] = {
                {"", 10, -EINVAL},  {"a", 10, -EINVAL},  {"8", 8, -EINVAL},
                {"G", 16, -EINVAL}, {" 1", 10, -EINVAL}, {"10000000000000000", 16, -ERANGE},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *s = cases[i].text;
                uint64_t n = 42;
                assert_int_equal(parse_digits(&s, cases[i].base, &n), cases[i].r);
                assert_ptr_equal(s, cases[i].text);
                assert_int_equal(n, 42);
        }
}

static void each_digit_has_a_value_below_its_base(void **state) {
        static const char digits[] = "0123456789abcdef";
        for (int c = 0; c < 128; c++) {
                const char *d = c ? strchr(digits, c) : NULL;
                int value = d ? (int) (d - digits) : INT_MAX;
                assert_int_equal(parse_digit((char) c, 8), value < 8 ? value : -EINVAL);
                assert_int_equal(parse_digit((char) c, 10), value < 10 ? value : -EINVAL);
                assert_int_equal(parse_digit((char) c, 16), value < 16 ? value : -EINVAL);
        }
}

static void device_numbers_are_two_numbers(void **state) {
        dev_t d = 0;
        assert_int_equal(parse_devno("8:1", &d), 0);
        assert_true(d == makedev(8, 1));
        assert_int_equal(parse_devno("259:4294967295", &d), 0);
        assert_true(major(d) == 259 && minor(d) == UINT_MAX);
        assert_int_equal(parse_devno("4294967295:0", &d), 0);
        assert_true(major(d) == UINT_MAX && minor(d) == 0);
        static const char *const bad[] = {"", ":", "8", "8:", ":1", "8;1", "8:1 ", "8:x", "8:1:2", " 8:1"};
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_devno(bad[i], &d), -EINVAL);
        assert_int_equal(parse_devno("4294967296", &d), -EINVAL);
        assert_int_equal(parse_devno("4294967296:x", &d), -EINVAL);
        assert_int_equal(parse_devno("4294967296:0", &d), -ERANGE);
        assert_int_equal(parse_devno("0:4294967296", &d), -ERANGE);
        assert_true(major(d) == UINT_MAX && minor(d) == 0);
}

static void locked_files_are_a_device_and_an_inode(void **state) {
        dev_t d = 0;
        uint64_t inode = 0;
        assert_int_equal(parse_locked_file("fd:01:5678", &d, &inode), 0);
        assert_true(d == makedev(0xfd, 1) && inode == 5678);
        assert_int_equal(parse_locked_file("00:2a:18446744073709551615", &d, &inode), 0);
        assert_true(d == makedev(0, 0x2a) && inode == UINT64_MAX);
        static const char *const bad[] = {
                "",      "fd",    "fd:",     "fd:01",   "fd:01:",   "fd:01:x", "fd:01:5678 ", "fd:01:a",
                ":01:1", "fd::1", "fg:01:1", "FD:01:1", " fd:01:1", "fd:01;1", "fd;01:1"};
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_locked_file(bad[i], &d, &inode), -EINVAL);
        assert_int_equal(parse_locked_file("100000000:0:1", &d, &inode), -ERANGE);
        assert_int_equal(parse_locked_file("0:100000000:1", &d, &inode), -ERANGE);
        assert_int_equal(parse_locked_file("0:1:18446744073709551616", &d, &inode), -ERANGE);
        assert_true(d == makedev(0, 0x2a) && inode == UINT64_MAX);
        assert_int_equal(parse_locked_file("ffffffff:ffffffff:0", &d, &inode), 0);
        assert_true(major(d) == UINT_MAX && minor(d) == UINT_MAX && inode == 0);
}

static void files_of_proc_hold_one_number(void **state) {
        const Scratch *s = *state;
        uint64_t n = 42;
        assert_int_equal(parse_file_u64("/dev/null/none", &n), -ENOTDIR);
        assert_int_equal(parse_file_u64("/nowhere", &n), -ENOENT);
        shell("cd %s && : >empty && echo none >word && echo 12 >number && printf 34 >bare", s->path);
        assert_int_equal(chdir(s->path), 0);
        assert_int_equal(parse_file_u64("empty", &n), -ENODATA);
        assert_int_equal(parse_file_u64("word", &n), -ENODATA);
        assert_int_equal(n, 42);
        assert_int_equal(parse_file_u64("number", &n), 0);
        assert_int_equal(n, 12);
        assert_int_equal(parse_file_u64("bare", &n), 0);
        assert_int_equal(n, 34);
        assert_int_equal(chdir("/"), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_are_digits_and_nothing_else),
                cmocka_unit_test(numbers_that_are_too_large_are_a_different_error),
                cmocka_unit_test(digits_are_taken_off_the_beginning),
                cmocka_unit_test(no_digits_move_nothing),
                cmocka_unit_test(each_digit_has_a_value_below_its_base),
                cmocka_unit_test(device_numbers_are_two_numbers),
                cmocka_unit_test(locked_files_are_a_device_and_an_inode),
                cmocka_unit_test_setup_teardown(files_of_proc_hold_one_number, scratch_setup,
                                                scratch_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
