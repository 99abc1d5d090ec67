/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>

#include "ctl/format.h"

static void bytes_are_counted_in_the_largest_unit(void **state) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = {
                {0, "0 B"},
                {1023, "1023 B"},
                {1024, "1.0 KiB"},
                {1536, "1.5 KiB"},
                {13002342, "12.3 MiB"},
                {UINT64_C(1) << 40, "1.0 TiB"},
                {UINT64_MAX, "15.9 EiB"},
        };
        char buffer[FORMAT_BYTES_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(format_bytes(cases[i].bytes, buffer), cases[i].text);
}

static void spans_are_as_exact_as_they_are_short(void **state) {
        static const struct {
                uint64_t usec;
                const char *text;
        } cases[] = {
                {0, "0 ms"},
                {999 * USEC_PER_MSEC, "999 ms"},
                {3250 * USEC_PER_MSEC, "3.2 s"},
                {60 * USEC_PER_SEC, "1 min 0 s"},
                {3665 * USEC_PER_SEC, "1 h 1 min"},
                {3 * 86400 * USEC_PER_SEC, "3 days"},
                {UINT64_MAX, "213503982 days"},
        };
        char buffer[FORMAT_SPAN_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(format_span(cases[i].usec, buffer), cases[i].text);
}

static void times_are_local(void **state) {
        char buffer[FORMAT_TIME_MAX];

        assert_int_equal(setenv("TZ", "UTC", 1), 0);
        assert_string_equal(format_time(UINT64_C(1700000000) * USEC_PER_SEC, buffer),
                            "Tue 2023-11-14 22:13:20 UTC");
        assert_string_equal(format_moment(UINT64_C(1700000000) * USEC_PER_SEC, buffer),
                            "2023-11-14 22:13:20");
        (void) format_time(UINT64_MAX, buffer); /* may be anything, but ends */
        assert_true(strlen(buffer) < sizeof(buffer));
}

static void states_have_a_colour_and_others_none(void **state) {
        assert_string_equal(format_state_color("fresh"), COLOR_GREEN);
        assert_string_equal(format_state_color("given-up"), COLOR_RED);
        assert_null(format_state_color("of a later version"));
}

static void long_text_is_broken_between_words_and_folders(void **state) {
        static const struct {
                const char *text;
                size_t width;
                const char *wrapped;
        } cases[] = {
                {"", 12, ""},
                {"fits", 4, "fits"},
                {"no manifest", 11, "no manifest"},
                {"no manifest", 5, "no\nmanif\nest"},
                {"one two three", 7, "one two\nthree"}, /* the space is where the line ends */
                {"/srv/images/fedora", 12, "/srv/images/\nfedora"},
                {"cache initramfs: /usr/lib/modules/6.1.0/kernel changed", 20,
                 "cache initramfs:\n/usr/lib/modules/\n6.1.0/kernel changed"},
                {"abcdefghij", 4, "abcd\nefgh\nij"},
                {"日本語", 4, "日本\n語"},
                {"日本", 1, "日\n本"}, /* never a part of a character */
                {"a\\x0ab", 6, "a\\x\n0ab"},
        };

        assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *wrapped = format_wrap(cases[i].text, cases[i].width, '\n');
                assert_string_equal(wrapped, cases[i].wrapped);
        }
        assert_int_equal(format_width("mañana!", 7), 6);
        assert_int_equal(format_width("日本", 6), 4);
        assert_int_equal(format_width("\377", 1), 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bytes_are_counted_in_the_largest_unit),
                cmocka_unit_test(spans_are_as_exact_as_they_are_short),
                cmocka_unit_test(times_are_local),
                cmocka_unit_test(states_have_a_colour_and_others_none),
                cmocka_unit_test(long_text_is_broken_between_words_and_folders),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
