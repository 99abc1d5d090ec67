/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <sys/prctl.h>
#include <time.h>

#include "scratch.h"

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
                {2047, "1.9 KiB"},
                {(1U << 20) - 1, "1023.9 KiB"},
                {1U << 20, "1.0 MiB"},
                {13002342, "12.3 MiB"},
                {1U << 30, "1.0 GiB"},
                {UINT64_C(1) << 40, "1.0 TiB"},
                {UINT64_C(1) << 50, "1.0 PiB"},
                {UINT64_C(1) << 60, "1.0 EiB"},
                {UINT64_MAX, "15.9 EiB"},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char buffer[FORMAT_BYTES_MAX];
                assert_ptr_equal(format_bytes(cases[i].bytes, buffer), buffer);
                assert_string_equal(buffer, cases[i].text);
        }
}

static void spans_are_as_exact_as_they_are_short(void **state) {
        static const struct {
                uint64_t usec;
                const char *text;
        } cases[] = {
                {0, "0 ms"},
                {999, "0 ms"},
                {1000, "1 ms"},
                {999999, "999 ms"},
                {1000000, "1.0 s"},
                {3250000, "3.2 s"},
                {59999999, "59.9 s"},
                {60 * USEC_PER_SEC, "1 min 0 s"},
                {3599 * USEC_PER_SEC, "59 min 59 s"},
                {3600 * USEC_PER_SEC, "1 h 0 min"},
                {3665 * USEC_PER_SEC, "1 h 1 min"},
                {7199 * USEC_PER_SEC, "1 h 59 min"},
                {(2 * 86400 - 1) * USEC_PER_SEC, "47 h 59 min"},
                {2 * 86400 * USEC_PER_SEC, "2 days"},
                {(4 * 86400 - 1) * USEC_PER_SEC, "3 days"},
                {UINT64_MAX, "213503982 days"},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char buffer[FORMAT_SPAN_MAX];
                assert_ptr_equal(format_span(cases[i].usec, buffer), buffer);
                assert_string_equal(buffer, cases[i].text);
        }
}

static void times_are_local(void **state) {
        const uint64_t usec = 1700000000 * USEC_PER_SEC + 999999;
        char buffer[FORMAT_TIME_MAX];
        assert_int_equal(setenv("TZ", "UTC", 1), 0);
        tzset();
        assert_string_equal(format_time(usec, buffer), "Tue 2023-11-14 22:13:20 UTC");
        assert_string_equal(format_moment(usec, buffer), "2023-11-14 22:13:20");
        assert_string_equal(format_moment(0, buffer), "1970-01-01 00:00:00");
        assert_int_equal(setenv("TZ", "CET-1", 1), 0);
        tzset();
        assert_string_equal(format_time(usec, buffer), "Tue 2023-11-14 23:13:20 CET");
        assert_string_equal(format_moment(usec, buffer), "2023-11-14 23:13:20");
        assert_string_equal(format_moment(UINT64_MAX, buffer), "586524-01-19 09:01:49");
}

static void a_time_that_has_no_room_is_a_dash(void **state) {
        char zone[FORMAT_TIME_MAX + 8] = "<", buffer[FORMAT_TIME_MAX];
        memset(zone + 1, 'A', FORMAT_TIME_MAX);
        (void) stpcpy(zone + 1 + FORMAT_TIME_MAX, ">0");
        assert_int_equal(setenv("TZ", zone, 1), 0);
        tzset();
        assert_string_equal(format_time(0, buffer), "-");
        assert_string_equal(format_moment(0, buffer), "1970-01-01 00:00:00");
        assert_int_equal(setenv("TZ", "UTC", 1), 0);
        tzset();
}

static void a_process_has_a_name_as_long_as_it_exists(void **state) {
        char text[FORMAT_PROCESS_MAX], expected[FORMAT_PROCESS_MAX];
        assert_int_equal(prctl(PR_SET_NAME, "a\nname"), 0);
        (void) snprintf(expected, sizeof(expected), "a (%i)", (int) getpid());
        assert_string_equal(format_process((uint32_t) getpid(), text), expected);
        assert_int_equal(prctl(PR_SET_NAME, "\033\033\033\033\033\033\033\033\033\033\033\033\033\033\033"),
                         0);
        (void) snprintf(expected, sizeof(expected), "%.60s (%i)",
                        "\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b",
                        (int) getpid());
        assert_string_equal(format_process((uint32_t) getpid(), text), expected);
        assert_string_equal(format_process(UINT32_MAX, text), "PID 4294967295");
        assert_string_equal(format_process(0, text), "PID 0");
}

static void states_have_a_colour_and_others_none(void **state) {
        static const struct {
                const char *color, *states[6];
        } cases[] = {
                {COLOR_GREEN, {"fresh"}},
                {COLOR_YELLOW, {"new", "settling", "scanning", "stale", "building"}},
                {COLOR_RED, {"failed", "given-up", "refused", "hung"}},
                {COLOR_DIM, {"untrusted", "plain"}},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t k = 0; cases[i].states[k]; k++)
                        assert_string_equal(format_state_color(cases[i].states[k]), cases[i].color);
        assert_null(format_state_color("of a later version"));
        assert_null(format_state_color(""));
}

static void width_is(const char *text, size_t size, size_t expected) {
        assert_int_equal(format_width(text, size), expected);
}

/* As libsmartcols shows them. */
static void the_width_of_text_is_in_columns(void **state) {
        width_is("", 0, 0);
        width_is("abc", 2, 2);
        width_is("mañana!", 7, 6);
        width_is("日本", 6, 4);
        width_is("e\u0301", 3, 1); /* a combining accent */
        width_is("\377", 1, 4);
        width_is("\377\377a", 3, 9);
        width_is("\342\202", 2, 8); /* cut short */
        width_is("\033", 1, 4);
        width_is("\302\205", 2, 8);
        width_is("a\0b", 3, 6);
        width_is("\\x41", 4, 7);
        width_is("\\n", 2, 2);
        width_is("x\\", 2, 2);
        width_is("axb", 3, 3);
}

static void wraps(const char *text, size_t width, const char *expected) {
        _cleanup_free_ char *wrapped = format_wrap(text, width, '|');
        assert_string_equal(wrapped, expected);
}

static void what_fits_is_not_broken(void **state) {
        wraps("", 12, "");
        wraps("fits", 4, "fits");
        wraps("no manifest", 11, "no manifest");
        wraps("日本", 4, "日本");
        wraps("ends in a space ", 16, "ends in a space ");
}

static void lines_end_after_a_space_in_their_second_half(void **state) {
        wraps("one two three", 7, "one two|three"); /* the space is where the line ends */
        wraps("abcde fghijkl", 10, "abcde|fghijkl");
        wraps("abcd efghijkl", 10, "abcd efghi|jkl");
        wraps("abc defghij", 7, "abc|defghij");
        wraps("ab cdefghij", 7, "ab cdef|ghij");
        wraps("a b c d e f", 5, "a b c|d e f");
        wraps("abcdef gh/ijk", 10, "abcdef|gh/ijk"); /* rather than after the slash */
        wraps("abcdef gh ijk", 10, "abcdef gh|ijk");
        wraps("abcde  fgh", 6, "abcde |fgh");
        wraps("no manifest", 5, "no|manif|est");
}

static void else_lines_end_after_a_slash_in_their_second_half(void **state) {
        wraps("/srv/images/fedora", 12, "/srv/images/|fedora");
        wraps("abcd/efghijkl", 10, "abcd/|efghijkl");
        wraps("abc/efghijkl", 10, "abc/efghij|kl");
        wraps("abcd/f/ghijkl", 10, "abcd/f/|ghijkl");
        wraps("/abc", 3, "/|abc");
        wraps("cache initramfs: /usr/lib/modules/6.1.0/kernel changed", 20,
              "cache initramfs:|/usr/lib/modules/|6.1.0/kernel changed");
}

static void else_lines_end_where_nothing_more_fits(void **state) {
        wraps("abcdefghij", 4, "abcd|efgh|ij");
        wraps("abcdefgh", 4, "abcd|efgh");
        wraps("日本語", 4, "日本|語");
        wraps("日本語", 5, "日本|語");
        wraps("日本", 1, "日|本"); /* never a part of a character */
        wraps("a\\x0ab", 6, "a\\x|0ab");
        wraps("ab\377cd", 6, "ab\377|cd");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bytes_are_counted_in_the_largest_unit),
                cmocka_unit_test(spans_are_as_exact_as_they_are_short),
                cmocka_unit_test(times_are_local),
                cmocka_unit_test(a_time_that_has_no_room_is_a_dash),
                cmocka_unit_test(a_process_has_a_name_as_long_as_it_exists),
                cmocka_unit_test(states_have_a_colour_and_others_none),
                cmocka_unit_test(the_width_of_text_is_in_columns),
                cmocka_unit_test(what_fits_is_not_broken),
                cmocka_unit_test(lines_end_after_a_space_in_their_second_half),
                cmocka_unit_test(else_lines_end_after_a_slash_in_their_second_half),
                cmocka_unit_test(else_lines_end_where_nothing_more_fits),
        };
        if (!setlocale(LC_ALL, "C.UTF-8"))
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
