/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "builder/transaction/directories.h"

#define FILES_MAX 4

/* The missing directories of files with the names PATHS, none of which exists. */
static char **list_missing(const Scratch *s, const char *const *paths, size_t n) {
        static const HelperView views[FILES_MAX];
        WantedFile files[FILES_MAX] = {};
        char **missing = NULL;
        assert_true(n <= FILES_MAX);
        for (size_t i = 0; i < n; i++)
                files[i].path = (char *) paths[i];
        const WantedSet wanted = {.items = files, .n = n};
        assert_int_equal(directories_missing(s->fd, &wanted, views, &missing, NULL), 0);
        return missing;
}

static void missing_directories_are_listed_outermost_first_and_once(void **state) {
        static const char *const paths[] = {"/a/b/c/file", "/a/b/d/file", "/a/file", "/file"};
        scratch_write(*state, "a/x", "x");
        char **missing = list_missing(*state, paths, ELEMENTSOF(paths));
        assert_int_equal(strv_length(missing), 3);
        assert_string_equal(missing[0], "/a/b");
        assert_string_equal(missing[1], "/a/b/c");
        assert_string_equal(missing[2], "/a/b/d");
        (void) strv_free(missing);
}

static void a_file_in_the_place_of_a_directory_counts_as_missing(void **state) {
        static const char *const paths[] = {"/a/b/file"};
        scratch_write(*state, "a", "x");
        char **missing = list_missing(*state, paths, ELEMENTSOF(paths));
        assert_int_equal(strv_length(missing), 2);
        assert_string_equal(missing[0], "/a");
        assert_string_equal(missing[1], "/a/b");
        (void) strv_free(missing);
}

static void files_that_exist_miss_no_directory(void **state) {
        const Scratch *s = *state;
        const HelperView views[] = {{.standing = STANDING_SAME}, {.standing = STANDING_OTHER}};
        WantedFile files[] = {{.path = (char *) "/a/file"}, {.path = (char *) "/b/file"}};
        const WantedSet wanted = {.items = files, .n = ELEMENTSOF(files)};
        char **missing = NULL;
        assert_int_equal(directories_missing(s->fd, &wanted, views, &missing, NULL), 0);
        assert_null(missing);
}

static void a_symbolic_link_in_the_path_is_an_error(void **state) {
        const Scratch *s = *state;
        static const HelperView views[1];
        WantedFile file = {.path = (char *) "/link/file"};
        const WantedSet wanted = {.items = &file, .n = 1};
        char **missing = NULL;
        _cleanup_free_ char *why = NULL;
        shell("mkdir %s/d && ln -s d %s/link", s->path, s->path);
        assert_int_equal(directories_missing(s->fd, &wanted, views, &missing, &why), -ELOOP);
        assert_null(missing);
        assert_non_null(strstr(why, "/link/file"));
}

static void only_directories_that_exist_are_listed_as_standing(void **state) {
        const Scratch *s = *state;
        const char *const paths[] = {"/a", "/gone", "/file", "/a/b", NULL};
        StrvBuilder standing = {};
        shell("mkdir -p %s/a/b && touch %s/file", s->path, s->path);
        assert_int_equal(directories_standing(s->fd, (char *const *) paths, &standing), 0);
        assert_int_equal(standing.n, 2);
        assert_string_equal(standing.items[0], "/a");
        assert_string_equal(standing.items[1], "/a/b");
        strv_builder_done(&standing);
}

static void inner_directories_are_removed_before_outer_ones_and_full_ones_stay(void **state) {
        const Scratch *s = *state;
        const char *const paths[] = {"/a", "/a/b", "/full", NULL};
        shell("mkdir -p %s/a/b %s/full && touch %s/full/file", s->path, s->path, s->path);
        directories_remove(s->fd, (char *const *) paths);
        shell("test ! -e %s/a && test -e %s/full/file", s->path, s->path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(missing_directories_are_listed_outermost_first_and_once),
                scratch_test(a_file_in_the_place_of_a_directory_counts_as_missing),
                scratch_test(files_that_exist_miss_no_directory),
                scratch_test(a_symbolic_link_in_the_path_is_an_error),
                scratch_test(only_directories_that_exist_are_listed_as_standing),
                scratch_test(inner_directories_are_removed_before_outer_ones_and_full_ones_stay),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
