/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "builder/run/linecutter.h"

typedef struct Seen {
        unsigned n;
        size_t longest;
        char last[4 * LINECUTTER_LINE_MAX + 1];
        char all[256];
} Seen;

static void take(const char *line, void *userdata) {
        Seen *s = userdata;

        s->n++;
        s->longest = MAX(s->longest, strlen(line));
        strcpy(s->last, line);
        if (strlen(s->all) + strlen(line) + 2 < sizeof(s->all)) {
                strcat(s->all, line);
                strcat(s->all, "|");
        }
}

static void feed(LineCutter *o, const char *text) {
        linecutter_feed(o, text, strlen(text));
}

static void lines_come_out_whole_however_they_come_in(void **state) {
        Seen seen = {};
        LineCutter o = {.line = take, .userdata = &seen};

        feed(&o, "on");
        assert_int_equal(seen.n, 0);
        feed(&o, "e\ntwo\r\n\n");
        feed(&o, "three");
        linecutter_finish(&o);
        linecutter_finish(&o);
        assert_string_equal(seen.all, "one|two|three|");
}

static void control_characters_are_made_harmless(void **state) {
        Seen seen = {};
        LineCutter o = {.line = take, .userdata = &seen};

        linecutter_feed(&o, "\033[2J\0x\n", 7);
        assert_null(strchr(seen.last, '\033'));
        assert_non_null(strstr(seen.last, "[2J"));
        assert_non_null(strchr(seen.last, 'x'));
}

static void a_long_line_is_split(void **state) {
        Seen seen = {};
        LineCutter o = {.line = take, .userdata = &seen};

        for (unsigned i = 0; i < 10 * LINECUTTER_LINE_MAX; i++)
                feed(&o, "a");
        feed(&o, "\n");
        assert_int_equal(seen.n, 10);
        assert_int_equal(seen.longest, LINECUTTER_LINE_MAX);
}

static void endless_output_is_suppressed_and_said_so_once(void **state) {
        Seen seen = {};
        LineCutter o = {.line = take, .userdata = &seen};

        for (unsigned i = 0; i < 3 * LINECUTTER_LINES_MAX; i++)
                feed(&o, "y\n");
        linecutter_finish(&o);
        assert_int_equal(seen.n, LINECUTTER_LINES_MAX + 1);
        assert_non_null(strstr(seen.last, "suppressed"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lines_come_out_whole_however_they_come_in),
                cmocka_unit_test(control_characters_are_made_harmless),
                cmocka_unit_test(a_long_line_is_split),
                cmocka_unit_test(endless_output_is_suppressed_and_said_so_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
