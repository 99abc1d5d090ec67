/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_path_is_above_another_by_whole_parts(void **state) {
        static const struct {
                const char *a, *b;
                bool at_or_above;
        } cases[] = {
                {"/a", "/a", true},    {"/a", "/a/b", true},  {"/a", "/a/b/c", true},  {"/a", "/ab", false},
                {"/a", "/a.b", false}, {"/a/b", "/a", false}, {"/a/b", "/a/c", false}, {"/b", "/a/b", false},
                {"/", "/", true},      {"/", "/a", true},     {"/", "/a/b", true},     {"/a", "/", false},
                {"/", "a", false},     {"a", "a/b", true},    {"a", "/a", false},      {"/A", "/a/b", false},
                {"", "/a", true},      {"", "", true},        {"/a", "", false},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(path_is_at_or_above(cases[i].a, cases[i].b), cases[i].at_or_above);
}

static void paths_meet_whichever_is_above(void **state) {
        assert_true(path_meets("/a", "/a"));
        assert_true(path_meets("/a", "/a/b"));
        assert_true(path_meets("/a/b", "/a"));
        assert_true(path_meets("/a/b", "/"));
        assert_false(path_meets("/a", "/ab"));
        assert_false(path_meets("/ab", "/a"));
        assert_false(path_meets("/a/b", "/a/c"));
}

static void the_last_part_follows_the_last_slash(void **state) {
        assert_string_equal(path_last("/a/b.conf"), "b.conf");
        assert_string_equal(path_last("/a"), "a");
        assert_string_equal(path_last("a"), "a");
        assert_string_equal(path_last("a/b/c"), "c");
        assert_string_equal(path_last("/"), "");
        assert_string_equal(path_last(""), "");
}

static void parts_are_cut_up_to_the_root(void **state) {
        char path[] = "/aa/b/cc";
        assert_true(path_cut_last(path));
        assert_string_equal(path, "/aa/b");
        assert_true(path_cut_last(path));
        assert_string_equal(path, "/aa");
        assert_true(path_cut_last(path));
        assert_string_equal(path, "/");
        assert_false(path_cut_last(path));
        assert_string_equal(path, "/");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_path_is_above_another_by_whole_parts),
                cmocka_unit_test(paths_meet_whichever_is_above),
                cmocka_unit_test(the_last_part_follows_the_last_slash),
                cmocka_unit_test(parts_are_cut_up_to_the_root),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
