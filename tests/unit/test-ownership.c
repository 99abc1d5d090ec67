/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which files of the host are honoured: who owns them, and who can change their paths. Requires root: the
 * files must belong to root. */

#include "fixture.h"

#include <limits.h>

#include "interpose.h"

#include "manifest/ownership.h"

static int stat_error, link_error; /* what the calls fail with */
static ssize_t link_size;          /* how many bytes readlink gives, if not those of the link */

ssize_t readlink(const char *path, char *buffer, size_t size) {
        if (link_error > 0) {
                errno = link_error;
                return -1;
        }
        if (link_size > 0)
                memset(buffer, 'x', size);
        return link_size > 0 ? link_size : REAL(readlink)(path, buffer, size);
}

int stat(const char *path, struct stat *ret) {
        if (stat_error > 0) {
                errno = stat_error;
                return -1;
        }
        return REAL(stat)(path, ret);
}

static struct stat make_stat(mode_t mode, uid_t uid, gid_t gid) {
        return (struct stat){.st_mode = mode, .st_uid = uid, .st_gid = gid};
}

static void a_file_that_others_may_change_is_not_believed(void **state) {
        static const mode_t good[] = {0644, 0600, 0400, 0444, 0755, 04755, 0},
                            bad[] = {0664, 0646, 0666, 0620, 0602, 0777, 01646};
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                struct stat st = make_stat(S_IFREG | good[i], 0, 5);
                assert_null(ownership_problem_of_file(&st));
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct stat st = make_stat(S_IFREG | bad[i], 0, 0);
                assert_string_equal(ownership_problem_of_file(&st), "writable by users other than root");
        }
        struct stat others = make_stat(S_IFREG | 0644, 1, 0);
        assert_string_equal(ownership_problem_of_file(&others), "not owned by root");
        static const mode_t types[] = {S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                struct stat st = make_stat(types[i] | 0644, 0, 0);
                assert_string_equal(ownership_problem_of_file(&st), "not a regular file");
        }
}

static void a_folder_may_be_writable_by_roots_group(void **state) {
        static const struct {
                mode_t mode;
                uid_t uid;
                gid_t gid;
                bool good;
        } folders[] = {
                {0755, 0, 0, true},  {0700, 0, 7, true},  {0775, 0, 0, true},   {0775, 0, 7, false},
                {0757, 0, 0, false}, {0777, 0, 0, false}, {01777, 0, 0, false}, {0755, 7, 0, false},
                {0700, 7, 0, false}, {0755, 0, 7, true},
        };
        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                struct stat st = make_stat(S_IFDIR | folders[i].mode, folders[i].uid, folders[i].gid);
                assert_int_equal(ownership_is_roots_folder(&st), folders[i].good);
        }
}

/* What is wrong with FILE below S: PROBLEM (NULL: nothing), preceded by FOLDER below S (or NULL). */
static void checks(const Scratch *s, const char *file, const char *folder, const char *problem) {
        _cleanup_free_ char *path = outer_path(s, file), *why = NULL, *expected = NULL;
        assert_int_equal(ownership_check_host_file(path, &why), 0);
        if (!problem) {
                assert_null(why);
                return;
        }
        assert_int_equal(strprintf(&expected, "%s%s%s", folder ? s->path : "", strempty(folder), problem), 0);
        if (!why || !streq(why, expected))
                fail_msg("not \"%s\" but \"%s\"", expected, strempty(why));
}

#define good(s, file) checks((s), (file), NULL, NULL)
#define foreign(s, file, folder) checks((s), (file), (folder), " is writable by users other than root")

static void each_folder_in_the_path_counts(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "a/b/x", "");
        good(s, "a/b/x"); /* /tmp is writable by everybody, but sticky */
        static const char *const folders[] = {"", "/a", "/a/b"};
        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                const char *folder = *folders[i] ? folders[i] + 1 : ".";
                assert_int_equal(fchmodat(s->fd, folder, 0757, 0), 0);
                foreign(s, "a/b/x", folders[i]);
                assert_int_equal(fchmodat(s->fd, folder, 0775, 0), 0); /* its group is root's */
                good(s, "a/b/x");
                assert_int_equal(fchmodat(s->fd, folder, 01777, 0), 0);
                if (i + 1 < ELEMENTSOF(folders))
                        good(s, "a/b/x");
                else
                        foreign(s, "a/b/x", "/a/b"); /* a hard link to any file of root can be put there */
                assert_int_equal(fchmodat(s->fd, folder, 0755, 0), 0);
                if (fchownat(s->fd, folder, 7, 0, 0) < 0)
                        skip();
                foreign(s, "a/b/x", folders[i]);
                assert_int_equal(fchmodat(s->fd, folder, 01777, 0), 0);
                foreign(s, "a/b/x", folders[i]);
                assert_int_equal(fchownat(s->fd, folder, 0, 0, 0), 0);
                assert_int_equal(fchmodat(s->fd, folder, 0755, 0), 0);
        }
        good(s, "a/b/x");
        good(s, "a//b///x");
        good(s, "a/../a/./b/x");
        assert_int_equal(fchmodat(s->fd, "a/b/x", 0666, 0), 0);
        checks(s, "a/b/x", NULL, "writable by users other than root");
        checks(s, "a/b/x//", NULL, "writable by users other than root");
        checks(s, "a/b", NULL, "not a regular file");
        checks(s, "a/b/", NULL, "not a regular file");
}

static void links_are_followed_and_their_folders_count(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *absolute = outer_path(s, "far/real");
        scratch_write(s, "far/real/x", "");
        make_link(s, "a/b/link", "x2");
        make_link(s, "a/b/x2", "../../near/x");
        make_link(s, "near", absolute);
        good(s, "a/b/link");
        static const char *const folders[] = {"a", "a/b", "far", "far/real"};
        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                _cleanup_free_ char *inside = NULL;
                assert_int_equal(strprintf(&inside, "/%s", folders[i]), 0);
                assert_int_equal(fchmodat(s->fd, folders[i], 0757, 0), 0);
                /* "a/b/../../near" is next to a */
                _cleanup_free_ char *path = outer_path(s, "a/b/link"), *problem = NULL;
                assert_int_equal(ownership_check_host_file(path, &problem), 0);
                assert_non_null(problem);
                assert_non_null(strstr(problem, inside));
                assert_int_equal(fchmodat(s->fd, folders[i], 0755, 0), 0);
        }
        good(s, "a/b/link");
        assert_int_equal(fchmodat(s->fd, "far/real/x", 0646, 0), 0);
        checks(s, "a/b/link", NULL, "writable by users other than root");
        assert_int_equal(fchmodat(s->fd, "far/real/x", 0644, 0), 0);
        if (fchownat(s->fd, "a/b/link", 7, 7, AT_SYMLINK_NOFOLLOW) < 0)
                skip();
        _cleanup_free_ char *path = outer_path(s, "a/b/link"), *problem = NULL;
        assert_int_equal(ownership_check_host_file(path, &problem), 0);
        assert_non_null(problem);
        assert_non_null(strstr(problem, "a/b/link is not owned by root"));
}

static void links_that_end_nowhere_are_errors(void **state) {
        const Scratch *s = *state;
        static const struct {
                const char *target;
                int r;
        } links[] = {{"gone", -ENOENT}, {"link", -ELOOP}, {"file/x", -ENOTDIR}};
        _cleanup_free_ char *path = outer_path(s, "link");
        scratch_write(s, "file", "");
        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                char *problem = NULL;
                make_link(s, "link", links[i].target);
                assert_int_equal(ownership_check_host_file(path, &problem), links[i].r);
                assert_null(problem);
                assert_int_equal(unlinkat(s->fd, "link", 0), 0);
        }
        make_link(s, "link", "/");
        checks(s, "link", NULL, "not a regular file");
        assert_int_equal(unlinkat(s->fd, "link", 0), 0);
}

static void forty_links_and_no_more(void **state) {
        const Scratch *s = *state;
        char name[16], target[16], *problem = NULL;
        scratch_write(s, "l0", "");
        for (int i = 1; i <= 41; i++) {
                (void) snprintf(name, sizeof(name), "l%i", i);
                (void) snprintf(target, sizeof(target), "l%i", i - 1);
                make_link(s, name, target);
        }
        good(s, "l40");
        _cleanup_free_ char *path = outer_path(s, "l41");
        assert_int_equal(ownership_check_host_file(path, &problem), -ELOOP);
}

static void a_relative_path_is_checked_from_where_we_are(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *problem = NULL, *outside = outer_path(s, "outside");
        _cleanup_close_ int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        scratch_write(s, "here/a/x", "");
        scratch_write(s, "outside", "");
        make_link(s, "here/a/absolute", outside);
        assert_int_equal(fchmodat(s->fd, ".", 0757, 0), 0); /* above where we are */
        _cleanup_close_ int here = openat(s->fd, "here", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(fchdir(here), 0);
        int inside = ownership_check_host_file("a/x", &problem);
        bool good_inside = !problem;
        int link = ownership_check_host_file("a/absolute", &problem);
        assert_int_equal(fchmodat(s->fd, "here", 0757, 0), 0);
        assert_int_equal(fchmodat(s->fd, "here/a", 0757, 0), 0); /* the first in the path is named */
        _cleanup_free_ char *where_we_are = NULL;
        int changed = ownership_check_host_file("a/x", &where_we_are);
        assert_int_equal(fchdir(before), 0);
        assert_int_equal(inside, 0);
        assert_true(good_inside);
        assert_int_equal(link, 0);
        assert_non_null(problem);
        assert_non_null(strstr(problem, s->path));
        assert_int_equal(changed, 0);
        assert_string_equal(where_we_are, ". is writable by users other than root");
}

static void sticky_folder_further_up_is_accepted(void **state) {
        const Scratch *s = *state;
        char *problem = NULL;
        _cleanup_close_ int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        scratch_write(s, "a/b/x", "");
        assert_int_equal(fchmodat(s->fd, ".", 01777, 0), 0);
        assert_int_equal(fchdir(s->fd), 0);
        int r = ownership_check_host_file("a/b/x", &problem);
        assert_int_equal(fchdir(before), 0);
        assert_int_equal(r, 0);
        assert_null(problem);
}

static void start_that_cannot_be_examined_is_an_error(void **state) {
        char *problem = NULL;
        stat_error = EIO;
        int r = ownership_check_host_file("/etc/passwd", &problem);
        stat_error = 0;
        assert_int_equal(r, -EIO);
        assert_null(problem);
}

static void link_that_cannot_be_read_whole_is_an_error(void **state) {
        char *problem = NULL;
        _cleanup_free_ char *path = outer_path(*state, "link");
        make_link(*state, "link", "target");
        link_error = EIO;
        assert_int_equal(ownership_check_host_file(path, &problem), -EIO);
        link_error = 0;
        link_size = PATH_MAX; /* there may be more */
        assert_int_equal(ownership_check_host_file(path, &problem), -ENAMETOOLONG);
        link_size = 0;
        assert_null(problem);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_that_others_may_change_is_not_believed),
                cmocka_unit_test(a_folder_may_be_writable_by_roots_group),
                scratch_test(each_folder_in_the_path_counts),
                scratch_test(links_are_followed_and_their_folders_count),
                scratch_test(links_that_end_nowhere_are_errors),
                scratch_test(forty_links_and_no_more),
                scratch_test(sticky_folder_further_up_is_accepted),
                cmocka_unit_test(start_that_cannot_be_examined_is_an_error),
                scratch_test(link_that_cannot_be_read_whole_is_an_error),
                scratch_test(a_relative_path_is_checked_from_where_we_are),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
