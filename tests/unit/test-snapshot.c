/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flush/snapshot.h"

#include "fixture.h"

#define UUID "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"

static void a_snapshot_is_read_line_by_line(void **state) {
        _cleanup_(snapshot_done) Snapshot s = {};
        assert_int_equal(snapshot_take_line(&s, "LEFT 90000000"), SNAPSHOT_GOES_ON);
        assert_int_equal(snapshot_take_line(&s, "OWED sda2 " UUID " 25 building\\x20uki cache\\x20x"),
                         SNAPSHOT_GOES_ON);
        assert_int_equal(snapshot_take_line(&s, "OWED sdb2[/\\x0a] \\x 4294967295 a b"), SNAPSHOT_GOES_ON);
        assert_int_equal(snapshot_take_line(&s, "SHOWN"), SNAPSHOT_COMPLETE);
        assert_int_equal(s.left_usec, 90 * USEC_PER_SEC);
        assert_int_equal(s.n, 2);
        assert_string_equal(s.views[0].volume, "sda2");
        assert_string_equal(s.views[0].uuid, UUID);
        assert_string_equal(s.views[0].doing, "building uki");
        assert_string_equal(s.views[0].reason, "cache x");
        assert_int_equal(s.views[0].percent, 25);
        assert_string_equal(s.views[1].volume, "sdb2[/\n]");
        assert_string_equal(s.views[1].uuid, "");
        assert_int_equal(s.views[1].percent, OWED_PERCENT_UNKNOWN);
        assert_ptr_equal(snapshot_find(&s, UUID), &s.views[0]);
        assert_null(snapshot_find(&s, "other"));
        assert_int_equal(snapshot_take_line(&s, "LEFT 0"), SNAPSHOT_GOES_ON); /* the next one */
        assert_int_equal(s.n, 0);
        assert_int_equal(snapshot_take_line(&s, "END"), SNAPSHOT_END);
}

static void what_a_terminal_would_obey_is_escaped(void **state) {
        _cleanup_(snapshot_done) Snapshot s = {};
        assert_int_equal(snapshot_take_line(&s, "OWED a b 1 \\x1b[2J \\x0d\\x0aok"), SNAPSHOT_GOES_ON);
        assert_string_equal(s.views[0].doing, "\\x1b[2J");
        assert_string_equal(s.views[0].reason, "\\x0d\\x0aok");
}

static void anything_else_is_refused(void **state) {
        static const char *const bad[] = {
                "",
                "LEFT",
                "LEFT x",
                "LEFT -1",
                "LEFT 1 2",
                "SHOWN 1",
                "END of it",
                "OWED",
                "OWED a b c",
                "OWED a b c d e",
                "OWED a b 1 d e f",
                "OWED a b 1 \\xZZ e",
                "owed",
                "LEFT 99999999999999999999",
        };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(snapshot_done) Snapshot s = {};
                assert_int_equal(snapshot_take_line(&s, bad[i]), -EBADMSG);
                assert_int_equal(s.n, 0);
        }
}

static void there_is_a_limit_to_it(void **state) {
        _cleanup_(snapshot_done) Snapshot s = {};
        for (size_t i = 0; i < SNAPSHOT_MAX; i++)
                assert_int_equal(snapshot_take_line(&s, "OWED a b 1 c d"), SNAPSHOT_GOES_ON);
        assert_int_equal(snapshot_take_line(&s, "OWED a b 1 c d"), -E2BIG);
        assert_int_equal(s.n, SNAPSHOT_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_snapshot_is_read_line_by_line),
                cmocka_unit_test(what_a_terminal_would_obey_is_escaped),
                cmocka_unit_test(anything_else_is_refused),
                cmocka_unit_test(there_is_a_limit_to_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
