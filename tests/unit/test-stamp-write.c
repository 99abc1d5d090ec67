/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A stamp is written whole and durably, or the old one stays. */

#include "freshness/stamp.h"

#include <signal.h>

#include "interpose.h"

/* What was synced, in order, and what fails instead. */
static struct {
        bool file_before_rename, directory_after_rename;
        const char *name; /* of the stamp about to be written */
        int file_error, directory_error;
} synced;

int fsync(int fd) {
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        bool directory = S_ISDIR(st.st_mode);
        int error = directory ? synced.directory_error : synced.file_error;
        if (error > 0) {
                errno = error;
                return -1;
        }
        bool renamed = synced.name && faccessat(AT_FDCWD, synced.name, F_OK, 0) >= 0;
        if (directory)
                synced.directory_after_rename = renamed;
        else {
                synced.file_before_rename = !renamed;
                assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        }
        return REAL(fsync)(fd);
}

/* What somebody else does once what an interrupted run left is removed. */
static void (*after_unlink)(const Scratch *s);
static const Scratch *scratch;

int unlinkat(int dirfd, const char *name, int flags) {
        int r = REAL(unlinkat)(dirfd, name, flags), error = errno;
        void (*then)(const Scratch *) = after_unlink;
        after_unlink = NULL;
        if (then)
                then(scratch);
        errno = error;
        return r;
}

static int write_setup(void **state) {
        memset(&synced, 0, sizeof(synced));
        after_unlink = NULL;
        int r = scratch_setup(state);
        scratch = *state;
        return r;
}

#define write_test(f) cmocka_unit_test_setup_teardown(f, write_setup, scratch_teardown)

static void stamp_and_its_folder_are_synced(void **state) {
        const Scratch *s = *state;
        char path[128];
        Stamp *a = stamp_new();
        (void) snprintf(path, sizeof(path), "%s/x.stamp", s->path);
        synced.name = path;
        assert_int_equal(stamp_add(a, "key", "value"), 0);
        assert_int_equal(stamp_write(s->fd, "x.stamp", a), 0);
        assert_true(synced.file_before_rename && synced.directory_after_rename);
        stamp_free(a);
}

static void link_in_the_place_of_a_stamp_is_replaced_not_followed(void **state) {
        const Scratch *s = *state;
        struct stat st;
        Stamp *a = stamp_new(), *b = NULL;
        assert_int_equal(stamp_add(a, "key", "value"), 0);
        scratch_write(s, "victim", "untouched");
        assert_int_equal(symlinkat("victim", s->fd, "x.stamp"), 0);
        assert_int_equal(symlinkat("victim", s->fd, ".stamp.tmp"), 0);
        assert_int_equal(stamp_write(s->fd, "x.stamp", a), 0);
        assert_int_equal(fstatat(s->fd, "victim", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_size, 9);
        assert_int_equal(stamp_read(s->fd, "x.stamp", NULL, &b), 0);
        assert_int_equal(fstatat(s->fd, ".stamp.tmp", &st, AT_SYMLINK_NOFOLLOW), -1);
        stamp_free(a);
        stamp_free(b);
}

static void failed_write_leaves_the_old_stamp_and_no_litter(void **state) {
        const Scratch *s = *state;
        struct rlimit old;
        Stamp *a = stamp_new(), *b = NULL;
        assert_int_equal(stamp_add(a, "key", "old"), 0);
        assert_int_equal(stamp_write(s->fd, "x.stamp", a), 0);
        for (int i = 0; i < 1000; i++)
                assert_int_equal(stamp_add(a, "key", "a line of some length, to fill a file %i", i), 0);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        (void) signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){8192, old.rlim_max}), 0);
        int r = stamp_write(s->fd, "x.stamp", a);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(r, -EFBIG);
        assert_int_equal(stamp_read(s->fd, "x.stamp", NULL, &b), 0);
        assert_int_equal(b->n_lines, 1);
        assert_int_equal(faccessat(s->fd, ".stamp.tmp", F_OK, 0), -1);
        stamp_free(a);
        stamp_free(b);
}

/* A stamp X that says "old" is there, a new one cannot be written because of ERROR, and leaves nothing. */
static void write_fails(const Scratch *s, int error) {
        Stamp *a = stamp_new(), *b = NULL;
        assert_int_equal(stamp_add(a, "key", "new"), 0);
        assert_int_equal(stamp_write(s->fd, "x", a), -error);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), 0);
        assert_string_equal(stamp_get(b, "key"), "old");
        assert_int_equal(faccessat(s->fd, ".stamp.tmp", F_OK, 0), -1);
        stamp_free(a);
        stamp_free(b);
}

static void stamp_that_is_not_durable_does_not_replace_the_old(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "x", "bootkeep-stamp 1\nkey old\n");
        synced.file_error = EIO;
        write_fails(s, EIO);
}

static void folder_that_cannot_be_synced_is_an_error(void **state) {
        const Scratch *s = *state;
        Stamp *a = stamp_new();
        assert_int_equal(stamp_add(a, "key", "value"), 0);
        synced.directory_error = EIO;
        assert_int_equal(stamp_write(s->fd, "x", a), -EIO);
        stamp_free(a);
}

/* Raises the limit that was just reached: what follows can be written. */
static void raise_limit(int signal) {
        struct rlimit limit;
        (void) getrlimit(RLIMIT_FSIZE, &limit);
        (void) setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit.rlim_max, limit.rlim_max});
}

static void write_that_failed_in_between_is_noticed_at_the_end(void **state) {
        const Scratch *s = *state;
        struct rlimit old;
        Stamp *a = stamp_new(), *b = NULL;
        scratch_write(s, "x", "bootkeep-stamp 1\nkey old\n");
        for (int i = 0; i < 1000; i++)
                assert_int_equal(stamp_add(a, "key", "a line of some length, to fill a file %i", i), 0);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        (void) signal(SIGXFSZ, raise_limit);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){8192, old.rlim_max}), 0);
        int r = stamp_write(s->fd, "x", a);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        (void) signal(SIGXFSZ, SIG_DFL);
        assert_int_equal(r, -EIO);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), 0);
        assert_string_equal(stamp_get(b, "key"), "old");
        stamp_free(a);
        stamp_free(b);
}

static void link_victim(const Scratch *s) {
        assert_int_equal(linkat(s->fd, "victim", s->fd, ".stamp.tmp", 0), 0);
}

static void symlink_victim(const Scratch *s) {
        assert_int_equal(symlinkat("victim", s->fd, ".stamp.tmp"), 0);
}

static void file_that_somebody_puts_in_the_way_is_not_written_to(void **state) {
        static void (*const ways[])(const Scratch *) = {link_victim, symlink_victim};
        const Scratch *s = *state;
        scratch_write(s, "x", "bootkeep-stamp 1\nkey old\n");
        scratch_write(s, "victim", "untouched");
        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                struct stat st;
                after_unlink = ways[i];
                write_fails(s, EEXIST);
                assert_int_equal(fstatat(s->fd, "victim", &st, 0), 0);
                assert_int_equal(st.st_size, 9);
        }
}

static void folder_in_the_way_is_an_error(void **state) {
        const Scratch *s = *state;
        Stamp *a = stamp_new();
        assert_int_equal(stamp_add(a, "key", "value"), 0);
        assert_int_equal(mkdirat(s->fd, "x", 0755), 0);
        assert_int_equal(stamp_write(s->fd, "x", a), -EISDIR);
        assert_int_equal(faccessat(s->fd, ".stamp.tmp", F_OK, 0), -1);
        assert_int_equal(mkdirat(s->fd, ".stamp.tmp", 0755), 0);
        assert_int_equal(stamp_write(s->fd, "y", a), -EISDIR);
        assert_int_equal(faccessat(s->fd, "y", F_OK, 0), -1);
        stamp_free(a);
}

static void anybody_may_read_a_stamp(void **state) {
        const Scratch *s = *state;
        struct stat st;
        Stamp *a = stamp_new();
        mode_t old = umask(0);
        assert_int_equal(stamp_add(a, "key", "value"), 0);
        assert_int_equal(stamp_write(s->fd, "x", a), 0);
        umask(old);
        assert_int_equal(fstatat(s->fd, "x", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0644);
        stamp_free(a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                write_test(stamp_and_its_folder_are_synced),
                write_test(link_in_the_place_of_a_stamp_is_replaced_not_followed),
                write_test(failed_write_leaves_the_old_stamp_and_no_litter),
                write_test(stamp_that_is_not_durable_does_not_replace_the_old),
                write_test(folder_that_cannot_be_synced_is_an_error),
                write_test(write_that_failed_in_between_is_noticed_at_the_end),
                write_test(file_that_somebody_puts_in_the_way_is_not_written_to),
                write_test(folder_in_the_way_is_an_error),
                write_test(anybody_may_read_a_stamp),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
