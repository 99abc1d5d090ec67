/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/transaction/directories.h"

#include "helperworld.h"
#include "interpose.h"

static unsigned n_opened; /* directories that were opened for reading */

DIR *fdopendir(int fd) {
        n_opened++;
        return REAL(fdopendir)(fd);
}

static bool exists(const Scratch *s, const char *name) {
        return faccessat(s->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

/* A file that is wanted under its own name. */
static void want_path(WantedSet *s, const char *path) {
        want(s, ROLE_MISC, path, "x");
        s->items[s->n - 1].path = copy(path);
}

static void what_was_staged_beside_any_file_of_ours_is_swept_once(void **state) {
        static const char *const ours[] = {"carried/", "Carried/", "left/over/", "wanted/", ""};
        const Scratch *s = *state;
        HelperRecord record = HELPER_RECORD_NULL;
        WantedSet wanted = {};
        char name[64];
        for (size_t i = 0; i < ELEMENTSOF(ours); i++) {
                (void) snprintf(name, sizeof(name), "%s.bootkeep-00000000.tmp", ours[i]);
                scratch_write(s, name, "x");
        }
        scratch_write(s, "other/.bootkeep-00000000.tmp", "x");
        (void) carry(&record.carried, ROLE_MISC, "/carried/1", "/carried/1", "x");
        (void) carry(&record.carried, ROLE_MISC, "/carried/2", "/carried/2", "x");
        (void) carry(&record.carried, ROLE_MISC, "/Carried/3", "/Carried/3", "x");
        assert_int_equal(strv_extend(&record.ours, "/none/1"), 0);
        assert_int_equal(strv_extend(&record.ours, "/left/over/1"), 0);
        want_path(&wanted, "/carried/1");
        want_path(&wanted, "/wanted/1");
        want_path(&wanted, "/1");
        n_opened = 0;
        assert_int_equal(directories_sweep(s->fd, &record, &wanted, NULL, NULL), 0);
        assert_int_equal(n_opened, 5);
        for (size_t i = 0; i < ELEMENTSOF(ours); i++) {
                (void) snprintf(name, sizeof(name), "%s.bootkeep-00000000.tmp", ours[i]);
                assert_false(exists(s, name));
        }
        assert_true(exists(s, "other/.bootkeep-00000000.tmp"));
        helper_record_done(&record);
        wanted_set_done(&wanted);
}

/* Each of these has files that cannot be reached. */
static void a_directory_that_cannot_be_swept_is_named(void **state) {
        Scratch *s = *state;
        HelperRecord carried = HELPER_RECORD_NULL, ours = HELPER_RECORD_NULL;
        const HelperRecord *const records[] = {&carried, &ours, &HELPER_RECORD_NULL};
        WantedSet wanted = {}, none = {};
        scratch_unshare(s);
        shell("mkdir %s/m && mount -t tmpfs tmpfs %s/m", s->path, s->path);
        scratch_write(s, "z/.bootkeep-00000000.tmp", "x");
        (void) carry(&carried.carried, ROLE_MISC, "/m/%d", "/m/%d", "x");
        (void) carry(&carried.carried, ROLE_MISC, "/z/x", "/z/x", "x");
        assert_int_equal(strv_extend(&ours.ours, "/m/%d"), 0);
        assert_int_equal(strv_extend(&ours.ours, "/z/x"), 0);
        want_path(&wanted, "/m/%d");
        want_path(&wanted, "/z/x");
        for (size_t i = 0; i < ELEMENTSOF(records); i++) {
                _cleanup_free_ char *reason = NULL;
                assert_int_equal(
                        directories_sweep(s->fd, records[i], i == 2 ? &wanted : &none, NULL, &reason),
                        -EXDEV);
                assert_string_equal(reason, "/m/%d: Invalid cross-device link");
                assert_true(exists(s, "z/.bootkeep-00000000.tmp"));
        }
        shell("umount %s/m", s->path);
        helper_record_done(&carried);
        helper_record_done(&ours);
        wanted_set_done(&wanted);
}

static void a_sweep_gives_signs_of_life(void **state) {
        const Scratch *s = *state;
        char text[256] = "";
        FILE *f = fmemopen(text, sizeof(text), "w");
        Progress progress = {.f = f};
        WantedSet wanted = {};
        want_path(&wanted, "/1");
        assert_int_equal(directories_sweep(s->fd, &HELPER_RECORD_NULL, &wanted, &progress, NULL), 0);
        (void) fclose(f);
        assert_begins(text, "PROGRESS");
        wanted_set_done(&wanted);
}

/* Of files that stand there the directories do, too. */
static void directories_are_missing_for_what_is_not_there(void **state) {
        static const HelperView views[] = {
                {.standing = STANDING_SAME},  {.standing = STANDING_ABSENT},
                {.standing = STANDING_OTHER}, {.standing = STANDING_OTHER, .blocked = true},
                {.standing = STANDING_EQUAL}, {.standing = STANDING_ABSENT},
        };
        static const char *const paths[] = {"/a/1", "/b/c/1", "/d/1", "/e/1", "/f/1", "/b/d/1"};
        const Scratch *s = *state;
        _cleanup_strv_free_ char **missing = NULL;
        WantedSet wanted = {};
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                want_path(&wanted, paths[i]);
        assert_int_equal(directories_missing(s->fd, &wanted, views, &missing, NULL), 0);
        assert_list(missing, "/b", "/b/c", "/e", "/b/d");
        wanted_set_done(&wanted);
}

/* The file will be removed first. Each is listed once. */
static void a_directory_where_a_file_is_counts_as_missing(void **state) {
        const Scratch *s = *state;
        _cleanup_strv_free_ char **missing = NULL;
        WantedSet wanted = {};
        scratch_write(s, "a/file", "x");
        want_path(&wanted, "/a/file/b/c/1");
        want_path(&wanted, "/a/file/b/d/1");
        want_path(&wanted, "/a/1");
        want_path(&wanted, "/1");
        assert_int_equal(directories_missing(s->fd, &wanted, (HelperView[4]){}, &missing, NULL), 0);
        assert_list(missing, "/a/file", "/a/file/b", "/a/file/b/c", "/a/file/b/d");
        wanted_set_done(&wanted);
}

static void a_link_in_the_way_of_a_directory_is_named(void **state) {
        const Scratch *s = *state;
        char **missing = NULL, *reason = NULL;
        WantedSet wanted = {};
        assert_int_equal(symlinkat("a", s->fd, "link"), 0);
        want_path(&wanted, "/new/1");
        want_path(&wanted, "/link/%d");
        assert_int_equal(directories_missing(s->fd, &wanted, (HelperView[2]){}, &missing, &reason), -ELOOP);
        assert_string_equal(reason, "/link/%d: Too many levels of symbolic links");
        assert_null(missing);
        free(reason);
        wanted_set_done(&wanted);
}

static void only_directories_stand(void **state) {
        static char *const paths[] = {(char *) "/b",    (char *) "/none", (char *) "/file",
                                      (char *) "/link", (char *) "/b/c",  NULL};
        const Scratch *s = *state;
        _cleanup_strv_free_ char **standing = NULL;
        StrvBuilder v = {};
        scratch_write(s, "file", "x");
        shell("mkdir -p %s/b/c && ln -s b %s/link", s->path, s->path);
        assert_int_equal(strv_builder_extend(&v, "/before"), 0);
        assert_int_equal(directories_standing(s->fd, paths, &v), 0);
        assert_int_equal(directories_standing(s->fd, NULL, &v), 0);
        assert_int_equal(strv_builder_finish(&v, &standing), 0);
        assert_list(standing, "/before", "/b", "/b/c");
}

static void empty_directories_go_inner_ones_first(void **state) {
        static char *const paths[] = {(char *) "/a",   (char *) "/a/b",  (char *) "/a/b/c", (char *) "/d",
                                      (char *) "/d/e", (char *) "/none", (char *) "/file",  NULL};
        const Scratch *s = *state;
        scratch_write(s, "file", "x");
        scratch_write(s, "d/keep", "x");
        shell("mkdir -p %s/a/b/c %s/d/e %s/f", s->path, s->path, s->path);
        directories_remove(s->fd, paths);
        directories_remove(s->fd, NULL);
        assert_false(exists(s, "a"));
        assert_false(exists(s, "d/e"));
        assert_true(exists(s, "d/keep") && exists(s, "f") && exists(s, "file"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(what_was_staged_beside_any_file_of_ours_is_swept_once),
                scratch_test(a_directory_that_cannot_be_swept_is_named),
                scratch_test(a_sweep_gives_signs_of_life),
                scratch_test(directories_are_missing_for_what_is_not_there),
                scratch_test(a_directory_where_a_file_is_counts_as_missing),
                scratch_test(a_link_in_the_way_of_a_directory_is_named),
                scratch_test(only_directories_stand),
                scratch_test(empty_directories_go_inner_ones_first),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
