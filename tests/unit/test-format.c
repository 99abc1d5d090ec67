/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bytes_are_counted_in_the_largest_unit),
                cmocka_unit_test(spans_are_as_exact_as_they_are_short),
                cmocka_unit_test(times_are_local),
                cmocka_unit_test(states_have_a_colour_and_others_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
