/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which files are read, and in which order. */

/* tests: base/conffile-list.c base/conffile.c */

#include "fixture.h"
#include "interpose.h"

#include "base/conffile.h"

static bool readdir_fails, lstat_fails;

struct dirent *readdir(DIR *dirp) {
        struct dirent *e = readdir_fails ? NULL : REAL(readdir)(dirp);
        if (readdir_fails)
                errno = EIO;
        return e;
}

int lstat(const char *file, struct stat *buf) {
        int r = lstat_fails ? -1 : REAL(lstat)(file, buf);
        if (lstat_fails)
                errno = EIO;
        return r;
}

/* etc/, none/ and usr/ of the scratch folder: the most important first. */
static char **three_folders(const Scratch *t) {
        char **dirs = NULL;
        assert_int_equal(strv_push(&dirs, outer_path(t, "etc")), 0);
        assert_int_equal(strv_push(&dirs, outer_path(t, "none")), 0);
        assert_int_equal(strv_push(&dirs, outer_path(t, "usr")), 0);
        return dirs;
}

/* The files of V below the scratch folder are EXPECTED: "/etc/a.conf /usr/b.conf". */
static void assert_files(char *const *v, const Scratch *t, const char *expected) {
        _cleanup_free_ char *all = strdup("");
        for (; v && *v; v++) {
                _cleanup_free_ char *before = TAKE_PTR(all);
                const char *path = startswith(*v, t->path);
                assert_non_null(path);
                assert_int_equal(strprintf(&all, "%s%s%s", before, *before ? " " : "", path), 0);
        }
        assert_string_equal(all, expected);
}

/* b.conf in DIRS consists of EXPECTED. */
static void consists_of(const Scratch *t, char *const *dirs, const char *expected) {
        _cleanup_strv_free_ char **files = NULL;
        assert_int_equal(conffile_list(dirs, "b.conf", &files), 0);
        assert_files(files, t, expected);
}

/* The definitions in DIRS whose names end in SUFFIX are EXPECTED. */
static void defines(const Scratch *t, char *const *dirs, const char *suffix, const char *expected) {
        _cleanup_strv_free_ char **files = NULL;
        assert_int_equal(conffile_list_directory(dirs, suffix, &files), 0);
        assert_files(files, t, expected);
}

static void dropins_follow_the_main_file_by_name(void **state) {
        Scratch *t = *state;
        _cleanup_strv_free_ char **dirs = three_folders(t);
        scratch_write(t, "usr/b.conf", "");
        scratch_write(t, "usr/b.conf.d/30-vendor.conf", "");
        scratch_write(t, "usr/b.conf.d/20-both.conf", "");
        scratch_write(t, "usr/b.conf.d/10-vendor.conf", "");
        scratch_write(t, "usr/b.conf.d/README", "");
        scratch_write(t, "usr/b.conf.d/.hidden.conf", "");
        scratch_write(t, "usr/b.conf.d/40.confx", "");
        scratch_write(t, "etc/b.conf.d/20-both.conf", "");
        scratch_write(t, "etc/b.conf.d/15-admin.conf", "");
        consists_of(t, dirs,
                    "/usr/b.conf /usr/b.conf.d/10-vendor.conf /etc/b.conf.d/15-admin.conf "
                    "/etc/b.conf.d/20-both.conf /usr/b.conf.d/30-vendor.conf");
}

static void a_link_to_dev_null_hides_files_of_the_same_name(void **state) {
        Scratch *t = *state;
        _cleanup_strv_free_ char **dirs = three_folders(t);
        scratch_write(t, "usr/b.conf.d/1.conf", "");
        scratch_write(t, "usr/b.conf.d/2.conf", "");
        make_link(t, "etc/b.conf.d/2.conf", "/dev/null");
        consists_of(t, dirs, "/usr/b.conf.d/1.conf");
        make_link(t, "etc/b.conf.d/1.conf", "/dev/zero"); /* for the reader to complain about */
        consists_of(t, dirs, "/etc/b.conf.d/1.conf");
}

static void the_first_main_file_wins(void **state) {
        Scratch *t = *state;
        _cleanup_strv_free_ char **dirs = three_folders(t);
        consists_of(t, dirs, "");
        scratch_write(t, "usr/b.conf", "");
        consists_of(t, dirs, "/usr/b.conf");
        scratch_write(t, "etc/b.conf", "");
        consists_of(t, dirs, "/etc/b.conf");
        assert_int_equal(unlinkat(t->fd, "etc/b.conf", 0), 0);
        make_link(t, "etc/b.conf", "/dev/null");
        consists_of(t, dirs, "");
}

/* So that reading it shows why. */
static void a_file_that_cannot_be_accessed_is_in_the_list(void **state) {
        Scratch *t = *state;
        _cleanup_strv_free_ char **dirs = three_folders(t);
        make_link(t, "etc/b.conf", "/nowhere");
        make_link(t, "etc/b.conf.d/1.conf", "/nowhere");
        scratch_write(t, "usr/b.conf", "");
        consists_of(t, dirs, "/etc/b.conf /etc/b.conf.d/1.conf");
        assert_int_equal(unlinkat(t->fd, "etc/b.conf", 0), 0);
        lstat_fails = true;
        consists_of(t, dirs, "/etc/b.conf /etc/b.conf.d/1.conf");
        lstat_fails = false;
        consists_of(t, dirs, "/usr/b.conf /etc/b.conf.d/1.conf");
}

static void what_is_no_folder_has_no_files(void **state) {
        Scratch *t = *state;
        _cleanup_strv_free_ char **dirs = three_folders(t), **files = (char **) 1;
        scratch_write(t, "etc", "");
        scratch_write(t, "usr/b.conf.d", "");
        consists_of(t, dirs, "");
        defines(t, dirs, ".conf", "");
        scratch_write(t, "usr/b.conf", "");
        consists_of(t, dirs, "/usr/b.conf");
        assert_int_equal(conffile_list(NULL, "b.conf", &files), 0);
        assert_null(files);
        assert_int_equal(conffile_list_directory(NULL, ".conf", &files), 0);
        assert_null(files);
}

static void definitions_of_the_first_folder_win(void **state) {
        Scratch *t = *state;
        _cleanup_strv_free_ char **dirs = three_folders(t);
        scratch_write(t, "usr/d.conf", "");
        scratch_write(t, "usr/a.conf", "");
        scratch_write(t, "usr/b.conf", "");
        scratch_write(t, "etc/b.conf", "");
        scratch_write(t, "usr/c.conf", "");
        make_link(t, "etc/c.conf", "/dev/null");
        defines(t, dirs, ".conf", "/usr/a.conf /etc/b.conf /usr/d.conf");
}

static void a_definition_has_a_name_before_its_suffix(void **state) {
        Scratch *t = *state;
        _cleanup_strv_free_ char **dirs = three_folders(t);
        scratch_write(t, "usr/-x", "");
        scratch_write(t, "usr/x", "");
        scratch_write(t, "usr/.a-x", "");
        scratch_write(t, "usr/a-x", "");
        scratch_write(t, "usr/-x-x", "");
        scratch_write(t, "usr/a-x-", "");
        defines(t, dirs, "-x", "/usr/-x-x /usr/a-x");
}

static void fails_to_list(char *const *dirs, int r) {
        static char untouched[] = "untouched";
        char *item[] = {untouched, NULL}, **files = item;
        Capture c = capture_begin();
        int of_dropins = conffile_list(dirs, "b.conf", &files),
            of_definitions = conffile_list_directory(dirs, "b.conf.d", &files);
        _cleanup_free_ char *log = capture_end(&c);
        assert_int_equal(of_dropins, -EBADMSG);
        assert_int_equal(of_definitions, r);
        assert_ptr_equal(files, item);
        if (!strstr(log, "b.conf.d: cannot be listed: ") || !strstr(log, strerror(-r)))
                fail_msg("not in the log: %s", log);
}

static void a_folder_that_cannot_be_listed_is_reported(void **state) {
        Scratch *t = *state;
        _cleanup_strv_free_ char **dirs = three_folders(t);
        scratch_write(t, "usr/b.conf", "");
        scratch_write(t, "usr/b.conf.d/1.conf", "");
        readdir_fails = true;
        fails_to_list(dirs, -EIO);
        readdir_fails = false;
        make_link(t, "etc", "etc");
        fails_to_list(dirs, -ELOOP);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(dropins_follow_the_main_file_by_name),
                scratch_test(a_link_to_dev_null_hides_files_of_the_same_name),
                scratch_test(the_first_main_file_wins),
                scratch_test(a_file_that_cannot_be_accessed_is_in_the_list),
                scratch_test(what_is_no_folder_has_no_files),
                scratch_test(definitions_of_the_first_folder_win),
                scratch_test(a_definition_has_a_name_before_its_suffix),
                scratch_test(a_folder_that_cannot_be_listed_is_reported),
        };
        log_setup("test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
