/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "builder/run/linecutter.h"

/* The lines that came out. */
typedef struct Lines {
        char **v;
} Lines;

static void lines_done(Lines *l) {
        strv_free(l->v);
}

static void take_line(const char *line, void *userdata) {
        Lines *l = userdata;
        assert_int_equal(strv_extend(&l->v, line), 0);
}

#define LINES _cleanup_(lines_done) Lines
#define CUTTER(lines) ((LineCutter){.line = take_line, .userdata = (lines)})

static void feed(LineCutter *c, const char *text) {
        linecutter_feed(c, text, strlen(text));
}

static void repeat(LineCutter *c, const char *text, size_t n) {
        for (size_t i = 0; i < n; i++)
                feed(c, text);
}

/* L are the words of EXPECTED, separated by |. */
static void assert_lines(const Lines *l, const char *expected) {
        char all[256] = "", *p = all;
        for (char **s = l->v; s && *s; s++) {
                assert_true(strlen(all) + strlen(*s) + 2 < sizeof(all));
                p = stpcpy(stpcpy(p, *s), "|");
        }
        assert_string_equal(all, expected);
}

static void lines_are_complete_however_they_arrive(void **state) {
        LINES seen = {};
        LineCutter c = CUTTER(&seen);
        feed(&c, "on");
        assert_lines(&seen, "");
        feed(&c, "e\ntwo\n");
        assert_lines(&seen, "one|two|");
        feed(&c, "three");
        linecutter_finish(&c);
        linecutter_finish(&c);
        assert_lines(&seen, "one|two|three|");
        feed(&c, "four\n5");
        linecutter_finish(&c);
        assert_lines(&seen, "one|two|three|four|5|");
}

static void only_the_bytes_given_are_taken(void **state) {
        LINES seen = {};
        LineCutter c = CUTTER(&seen);
        linecutter_feed(&c, NULL, 0);
        linecutter_feed(&c, "ab\ncd\n", 4);
        assert_lines(&seen, "ab|");
        linecutter_finish(&c);
        assert_lines(&seen, "ab|c|");
}

static void empty_lines_are_dropped(void **state) {
        LINES seen = {};
        LineCutter c = CUTTER(&seen);
        feed(&c, "\n\none\n\n\r\n\r\r\ntwo\n");
        linecutter_finish(&c);
        assert_lines(&seen, "one|two|");
}

static void carriage_returns_are_cut_at_the_end_alone(void **state) {
        LINES seen = {};
        LineCutter c = CUTTER(&seen);
        feed(&c, "a\r\nb\r\r\nc\rd\n\re\n");
        assert_lines(&seen, "a|b|c\\x0dd|\\x0de|");
}

static void ignore_line(const char *line, void *userdata) {
        assert_string_equal(line, "x");
}

static void nothing_is_cut_from_what_lies_before_the_line(void **state) {
        LineCutter c = {.line = ignore_line};
        void *userdata;
        memset(&userdata, '\r', sizeof(userdata));
        c.userdata = userdata;
        feed(&c, "\r\r\n\nx\r\n");
        assert_ptr_equal(c.userdata, userdata);
}

static void control_characters_are_made_harmless(void **state) {
        LINES seen = {};
        LineCutter c = CUTTER(&seen);
        linecutter_feed(&c, "\033[2J\0x\xff\n", 8);
        assert_lines(&seen, "\\x1b[2J x\\xff|");
}

static void a_long_line_is_split_where_it_is_too_long(void **state) {
        LINES seen = {};
        LineCutter c = CUTTER(&seen);
        repeat(&c, "a", LINECUTTER_LINE_MAX);
        assert_int_equal(strv_length(seen.v), 0);
        feed(&c, "b");
        assert_int_equal(strv_length(seen.v), 1);
        assert_int_equal(strlen(seen.v[0]), 4096);
        assert_int_equal(strspn(seen.v[0], "a"), LINECUTTER_LINE_MAX);
        feed(&c, "c\n");
        assert_int_equal(strv_length(seen.v), 2);
        assert_string_equal(seen.v[1], "bc");
}

static void a_line_of_the_greatest_length_is_one_line(void **state) {
        LINES seen = {};
        LineCutter c = CUTTER(&seen);
        repeat(&c, "a", LINECUTTER_LINE_MAX);
        feed(&c, "\nb\n");
        assert_int_equal(strv_length(seen.v), 2);
        assert_int_equal(strlen(seen.v[0]), LINECUTTER_LINE_MAX);
        assert_string_equal(seen.v[1], "b");
}

/* How many lines came out, and the last. */
typedef struct Count {
        size_t n;
        char last[64];
} Count;

static void count_line(const char *line, void *userdata) {
        Count *c = userdata;
        c->n++;
        (void) snprintf(c->last, sizeof(c->last), "%s", line);
}

static void endless_output_is_suppressed_and_that_is_reported_once(void **state) {
        Count seen = {};
        LineCutter c = {.line = count_line, .userdata = &seen};
        repeat(&c, "\n", 10); /* empty ones do not count */
        repeat(&c, "y\n", LINECUTTER_LINES_MAX);
        assert_int_equal(seen.n, 10000);
        assert_string_equal(seen.last, "y");
        feed(&c, "y\n");
        assert_string_equal(seen.last, "further output is suppressed");
        repeat(&c, "y\n", 2 * LINECUTTER_LINES_MAX);
        feed(&c, "y");
        linecutter_finish(&c);
        assert_int_equal(seen.n, LINECUTTER_LINES_MAX + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lines_are_complete_however_they_arrive),
                cmocka_unit_test(only_the_bytes_given_are_taken),
                cmocka_unit_test(empty_lines_are_dropped),
                cmocka_unit_test(carriage_returns_are_cut_at_the_end_alone),
                cmocka_unit_test(nothing_is_cut_from_what_lies_before_the_line),
                cmocka_unit_test(control_characters_are_made_harmless),
                cmocka_unit_test(a_long_line_is_split_where_it_is_too_long),
                cmocka_unit_test(a_line_of_the_greatest_length_is_one_line),
                cmocka_unit_test(endless_output_is_suppressed_and_that_is_reported_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
