/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/reason.h"

#include <time.h>

#include "scratch.h"

static void describes(const char *path, const char *what, const char *detail, const char *expected) {
        char *text = NULL;
        assert_int_equal(reason_describe(&(Reason){path, what, detail}, &text), 0);
        assert_string_equal(text, expected);
        free(text);
}

static void each_difference_has_its_sentence(void **state) {
        static const struct {
                const char *what, *bare, *detailed;
        } all[_DIFFERENCE_MAX] = {
                [DIFFERENCE_NONE] = {"none", "up to date", "up to date (d)"},
                [DIFFERENCE_NEVER] = {"never", "never brought up to date", "never brought up to date (d)"},
                [DIFFERENCE_CHANGED] = {"changed", "/x changed", "/x changed (d)"},
                [DIFFERENCE_NEW] = {"new", "/x is new", "/x is new (d)"},
                [DIFFERENCE_GONE] = {"gone", "/x is gone", "/x is gone (d)"},
                [DIFFERENCE_MISSING] = {"missing", "/x is missing", "/x is missing (d)"},
                [DIFFERENCE_UNREADABLE] = {"unreadable", "/x cannot be read", "/x cannot be read (d)"},
                [DIFFERENCE_BUILDER] = {"builder", "builder /x changed", "builder /x changed (d)"},
                [DIFFERENCE_FILESYSTEM] = {"filesystem", "it holds another file system",
                                           "it holds another file system (d)"},
        };
        for (unsigned d = 0; d < _DIFFERENCE_MAX; d++) {
                assert_string_equal(difference_to_string((Difference) d), all[d].what);
                describes("/x", all[d].what, NULL, all[d].bare);
                describes("/x", all[d].what, "", all[d].bare);
                describes("/x", all[d].what, "-", all[d].bare);
                describes("/x", all[d].what, "d", all[d].detailed);
        }
}

static void what_is_not_known_is_shown_as_it_is(void **state) {
        describes("/x", "melted", NULL, "/x melted");
        describes("/x", "melted", "at noon", "/x melted (at noon)");
        describes(NULL, "melted", NULL, "- melted");
        describes("", "changed", NULL, "- changed");
        describes("-", "changed", NULL, "- changed");
}

static void changes_are(unsigned changes, const char *expected) {
        char *detail = (char *) "untouched", *rebuilt = NULL, *with_colon = NULL;
        assert_int_equal(reason_detail_changed(changes, NULL, &detail), 0);
        if (expected)
                assert_string_equal(detail, expected);
        else
                assert_null(detail);
        assert_int_equal(reason_detail_rebuilt(changes, NULL, &rebuilt), 0);
        assert_int_equal(
                strprintf(&with_colon, "since it was built%s%s", expected ? ": " : "", strempty(expected)),
                0);
        assert_string_equal(rebuilt, with_colon);
        free(detail);
        free(rebuilt);
        free(with_colon);
}

static void the_most_telling_changes_come_first(void **state) {
        changes_are(0, NULL);
        changes_are(CHANGE_SIZE, "size");
        changes_are(CHANGE_MTIME, "mtime");
        changes_are(CHANGE_MODE, "mode");
        changes_are(CHANGE_OWNER, "owner");
        changes_are(CHANGE_REPLACED, "replaced");
        changes_are(CHANGE_TARGET, "target");
        changes_are(CHANGE_CTIME, "ctime");
        changes_are(CHANGE_CTIME | CHANGE_REPLACED, "replaced");
        changes_are(CHANGE_MTIME | CHANGE_SIZE, "size, mtime");
        changes_are(CHANGE_REPLACED | CHANGE_OWNER | CHANGE_MODE, "mode, owner, replaced");
        changes_are(CHANGE_REPLACED | CHANGE_OWNER | CHANGE_MODE | CHANGE_MTIME, "mtime, mode, owner");
        changes_are(CHANGE_NAMES, "names");
        changes_are(_CHANGE_ALL, "target, names, size");
}

/* 2026-11-23 17:20:33 UTC */
static const struct statx_timestamp afternoon = {.tv_sec = 1795454433, .tv_nsec = 999999999};

static void times_are_local(void **state) {
        char *text = NULL;
        assert_int_equal(setenv("TZ", "UTC-1", 1), 0);
        tzset();
        assert_int_equal(reason_detail_changed(0, &afternoon, &text), 0);
        assert_string_equal(text, "2026-11-23 18:20:33");
        free(text);
        assert_int_equal(reason_detail_changed(CHANGE_SIZE, &afternoon, &text), 0);
        assert_string_equal(text, "size, 2026-11-23 18:20:33");
        free(text);
        assert_int_equal(reason_detail_rebuilt(CHANGE_SIZE, &afternoon, &text), 0);
        assert_string_equal(text, "since it was built: size, 2026-11-23 18:20:33");
        free(text);
        assert_int_equal(reason_detail_rebuilt(0, &afternoon, &text), 0);
        assert_string_equal(text, "since it was built, 2026-11-23 18:20:33");
        free(text);
        assert_int_equal(reason_detail_gone(&afternoon, &text), 0);
        assert_string_equal(text, "by 2026-11-23 18:20:33");
        free(text);
        assert_int_equal(reason_detail_changed(0, &(struct statx_timestamp){.tv_sec = 983404800}, &text), 0);
        assert_string_equal(text, "2001-03-01 01:00:00"); /* two digits everywhere */
        free(text);
}

static void a_time_that_is_not_one_is_left_out(void **state) {
        const struct statx_timestamp never = {.tv_sec = INT64_MAX};
        char *text = (char *) "untouched";
        assert_int_equal(reason_detail_gone(NULL, &text), 0);
        assert_null(text);
        text = (char *) "untouched";
        assert_int_equal(reason_detail_gone(&never, &text), 0);
        assert_null(text);
        text = (char *) "untouched";
        assert_int_equal(reason_detail_changed(0, &never, &text), 0);
        assert_null(text);
        assert_int_equal(reason_detail_changed(CHANGE_MODE, &never, &text), 0);
        assert_string_equal(text, "mode");
        free(text);
}

static void lists_are_named(void **state) {
        char *text = NULL;
        assert_int_equal(reason_detail_unlisted(REASON_LIST_OF_SOURCES, &text), 0);
        assert_string_equal(text, "from the list of sources");
        free(text);
        assert_int_equal(reason_detail_unlisted(REASON_LIST_OF_COPIES, &text), 0);
        assert_string_equal(text, "from the list of copies");
        free(text);
}

static void errors_of_a_path_are_described(void **state) {
        static const struct {
                int r;
                const char *expected;
        } all[] = {
                {-ENOENT, "/x is missing"},
                {-ENOTDIR, "/x is missing"},
                {-EXDEV, "/x cannot be read (its path leaves the volume)"},
                {-ELOOP, "/x cannot be read (too many symbolic links)"},
                {-EAGAIN, "/x cannot be read (it changes all the time)"},
                {-EIO, "/x cannot be read (Input/output error)"},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                char *text = NULL;
                assert_int_equal(reason_describe_error("/x", all[i].r, &text), 0);
                assert_string_equal(text, all[i].expected);
                free(text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_difference_has_its_sentence),
                cmocka_unit_test(what_is_not_known_is_shown_as_it_is),
                cmocka_unit_test(the_most_telling_changes_come_first),
                cmocka_unit_test(times_are_local),
                cmocka_unit_test(a_time_that_is_not_one_is_left_out),
                cmocka_unit_test(lists_are_named),
                cmocka_unit_test(errors_of_a_path_are_described),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
