/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What each kind of setting accepts, and that a bad value leaves the setting alone and says what was
 * expected. */

#include <inttypes.h>

#include "scratch.h"

#include "base/conffile.h"

static void time_is(const char *text, uint64_t expected) {
        const char *why = NULL;
        uint64_t usec = 42;
        if (conf_parse_sec(text, &usec, &why) != 0 || usec != expected)
                fail_msg("\"%s\" gave %" PRIu64, text, usec);
        assert_null(why);
}

static void each_name_of_a_unit_is_known(void **state) {
        static const struct {
                uint64_t usec;
                const char *names[5];
        } units[] = {
                {1, {"us", "usec", "µs", "μs"}},
                {1000, {"ms", "msec"}},
                {1000000, {"", "s", "sec", "second", "seconds"}},
                {60000000, {"m", "min", "minute", "minutes"}},
                {3600000000, {"h", "hr", "hour", "hours"}},
                {86400000000, {"d", "day", "days"}},
                {604800000000, {"w", "week", "weeks"}},
                {2629800000000, {"M", "month", "months"}},
                {31557600000000, {"y", "year", "years"}},
        };
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                for (size_t k = 0; k < ELEMENTSOF(units[i].names) && units[i].names[k]; k++) {
                        char text[32];
                        (void) snprintf(text, sizeof(text), "3%s", units[i].names[k]);
                        time_is(text, 3 * units[i].usec);
                        (void) snprintf(text, sizeof(text), "3 \t%s ", units[i].names[k]);
                        time_is(text, 3 * units[i].usec);
                }
}

static void spans_of_time_are_added_up(void **state) {
        time_is("0", 0);
        time_is("1min 30s", 90000000);
        time_is("1d1h", 90000000000);
        time_is("5s3ms", 5003000);
        time_is("1 2", 3000000);
        time_is("1\t2", 3000000);
        time_is("1 month 1 y", 34187400000000);
        time_is("5 s\t3\tms ", 5003000);
        time_is(" \t5", 5000000);
}

static void a_number_may_have_a_fraction(void **state) {
        time_is("1.5", 1500000);
        time_is(".5", 500000);
        time_is("5.", 5000000);
        time_is("0.5min", 30000000);
        time_is("0.25y", 7889400000000);
        time_is("0.999999y", 31557568442400); /* a million times the unit would be too much */
        time_is("0.000001", 1);
        time_is("0.0000019", 1);
        time_is("0.1234567 s", 123456);
        time_is("0.1234567 min", 7407360); /* six digits count */
        time_is("1.5s.5s", 2000000);
        time_is("0.999999999999999999999999 us", 0);
}

static void the_longest_time_is_short_of_infinity(void **state) {
        time_is("infinity", USEC_INFINITY);
        time_is(" infinity", USEC_INFINITY);
        time_is("18446744073709551614us", USEC_INFINITY - 1);
        time_is("18446744073709s 551614us", USEC_INFINITY - 1);
        time_is("18446744073709.551614s", USEC_INFINITY - 1);
}

static void what_is_no_span_of_time_is_refused(void **state) {
        static const char *const bad[] = {"",
                                          " ",
                                          "x",
                                          "5x",
                                          "5se",
                                          "5secs",
                                          "5S",
                                          "-1",
                                          "1..2",
                                          "1.5.5",
                                          "s",
                                          "5 s s",
                                          ".",
                                          ". s",
                                          "infinity 1",
                                          "infinit",
                                          "1e3",
                                          "1,5",
                                          "1 -1",
                                          "5 minutesminutes",
                                          "99999999999999999999",
                                          "99999999999999999999us",
                                          "999999999999y",
                                          "18446744073709551615us",
                                          "18446744073709551614us 1us",
                                          "18446744073709551614us 2us",
                                          "18446744073709.551615s",
                                          "18446744073709.9s"};
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const char *why = NULL;
                uint64_t usec = 42;
                if (conf_parse_sec(bad[i], &usec, &why) != -EINVAL || usec != 42)
                        fail_msg("\"%s\" gave %" PRIu64, bad[i], usec);
                assert_string_equal(why, "expected a time span such as 5, 500ms or 1min 30s");
        }
}

static void numbers_are_at_least_one(void **state) {
        static const char *const bad[] = {"0", "-1", "", "4294967296", "1x", " 1", "0x10", "1.5"};
        const char *why = NULL;
        unsigned n = 0;
        assert_int_equal(conf_parse_unsigned("4294967295", &n, &why), 0);
        assert_int_equal(n, 4294967295U);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                why = NULL;
                assert_int_equal(conf_parse_unsigned(bad[i], &n, &why), -EINVAL);
                assert_string_equal(why, "expected a number of at least 1");
        }
        assert_int_equal(n, 4294967295U);
        assert_int_equal(conf_parse_unsigned("1", &n, &why), 0);
        assert_int_equal(n, 1);
}

static void yes_and_no_have_several_words(void **state) {
        static const char *const yes[] = {"yes", "true", "on", "1", "YES", "True", "oN"};
        static const char *const no[] = {"no", "false", "off", "0", "NO"};
        const char *why = NULL;
        for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
                bool b = false;
                assert_int_equal(conf_parse_bool(yes[i], &b, &why), 0);
                assert_true(b);
        }
        for (size_t i = 0; i < ELEMENTSOF(no); i++) {
                bool b = true;
                assert_int_equal(conf_parse_bool(no[i], &b, &why), 0);
                assert_false(b);
        }
}

static void what_is_neither_yes_nor_no_is_refused(void **state) {
        static const char *const bad[] = {"", "y", "n", "yess", " yes", "2", "00", "of", "truefalse"};
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const char *why = NULL;
                bool was_false = false, was_true = true;
                assert_int_equal(conf_parse_bool(bad[i], &was_false, &why), -EINVAL);
                assert_string_equal(why, "expected yes or no");
                assert_int_equal(conf_parse_bool(bad[i], &was_true, &why), -EINVAL);
                assert_true(was_true && !was_false);
        }
}

static void paths_are_words_and_absolute(void **state) {
        _cleanup_strv_free_ char **paths = NULL;
        const char *why = NULL;
        assert_int_equal(conf_parse_paths("/a '/b c'", &paths, &why), 0);
        assert_int_equal(strv_length(paths), 2);
        assert_string_equal(paths[0], "/a");
        assert_string_equal(paths[1], "/b c");
        assert_int_equal(conf_parse_paths("/d e", &paths, &why), -EINVAL);
        assert_string_equal(why, "expected absolute paths");
        assert_int_equal(conf_parse_paths("d /e", &paths, &why), -EINVAL);
        assert_int_equal(conf_parse_paths("/d ''", &paths, &why), -EINVAL);
        why = NULL;
        assert_int_equal(conf_parse_paths("/d '", &paths, &why), -EINVAL);
        assert_string_equal(why, "an unclosed quote");
        assert_int_equal(strv_length(paths), 2);
        assert_int_equal(conf_parse_paths("/x", &paths, &why), 0);
        assert_int_equal(strv_length(paths), 1);
        assert_string_equal(paths[0], "/x");
        assert_int_equal(conf_parse_paths("", &paths, &why), 0);
        assert_int_equal(strv_length(paths), 0);
}

static void a_text_is_taken_as_it_is(void **state) {
        _cleanup_free_ char *text = NULL;
        const char *why = NULL;
        assert_int_equal(conf_parse_string(" a \"b", &text, &why), 0);
        assert_string_equal(text, " a \"b");
        assert_int_equal(conf_parse_string(" a \"b", &text, &why), 0);
        assert_int_equal(conf_parse_string("", &text, &why), 0);
        assert_string_equal(text, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_name_of_a_unit_is_known),
                cmocka_unit_test(spans_of_time_are_added_up),
                cmocka_unit_test(a_number_may_have_a_fraction),
                cmocka_unit_test(the_longest_time_is_short_of_infinity),
                cmocka_unit_test(what_is_no_span_of_time_is_refused),
                cmocka_unit_test(numbers_are_at_least_one),
                cmocka_unit_test(yes_and_no_have_several_words),
                cmocka_unit_test(what_is_neither_yes_nor_no_is_refused),
                cmocka_unit_test(paths_are_words_and_absolute),
                cmocka_unit_test(a_text_is_taken_as_it_is),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
