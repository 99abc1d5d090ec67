/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/stamp.h"

#include <signal.h>

#include "scratch.h"

static void stamp_comes_back_with_its_files_last(void **state) {
        const Scratch *s = *state;
        Stamp *a = stamp_new(), *b = NULL;
        size_t i = 0;
        assert_int_equal(stamp_add(a, "file", "/a 1"), 0);
        assert_int_equal(stamp_add(a, "fingerprint", "%s", "00ff"), 0);
        assert_int_equal(stamp_add(a, "file", "/b\\x20c %i", 2), 0);
        assert_int_equal(stamp_add(a, "output", "/o 5 1.0"), 0);
        assert_int_equal(stamp_write(s->fd, "x.stamp", a), 0);
        assert_int_equal(stamp_read(s->fd, "x.stamp", &b), 0);
        assert_int_equal(b->n_lines, 4);
        assert_string_equal(stamp_get(b, "fingerprint"), "00ff");
        assert_string_equal(stamp_next(b, "file", &i), "/a 1");
        assert_string_equal(stamp_next(b, "file", &i), "/b\\x20c 2");
        assert_null(stamp_next(b, "file", &i));
        assert_null(stamp_get(b, "nothing"));
        b = stamp_free(b);
        assert_int_equal(stamp_read_head(s->fd, "x.stamp", &b), 0);
        assert_int_equal(b->n_lines, 2);
        assert_string_equal(stamp_get(b, "output"), "/o 5 1.0");
        stamp_free(a);
        stamp_free(b);
}

static void lines_that_would_not_come_back_are_refused(void **state) {
        Stamp *a = stamp_new();
        assert_int_equal(stamp_add(a, "key", "%s", ""), -EBADMSG);
        assert_int_equal(stamp_add(a, "", "value"), -EBADMSG);
        assert_int_equal(a->n_lines, 0);
        stamp_free(a);
}

static void what_is_not_a_stamp_is_told(void **state) {
        const Scratch *s = *state;
        static const char *const bad[] = {
                "",
                "bootkeep-stamp 1",
                "bootkeep-stamp 2\nfingerprint 00\n",
                "bootkeep-stamp 1\nfingerprint",
                "bootkeep-stamp 1\nfingerprint 00",
                "bootkeep-stamp 1\nfingerprint\n",
                "bootkeep-stamp 1\n\n",
                "bootkeep-stamp 1\nUPPER 1\n",
                "bootkeep-stamp 1\n value\n",
                "\n",
        };
        Stamp *b = NULL;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                scratch_write(s, "x.stamp", bad[i]);
                assert_int_equal(stamp_read(s->fd, "x.stamp", &b), -EBADMSG);
                assert_int_equal(stamp_read_head(s->fd, "x.stamp", &b), -EBADMSG);
        }
        int fd = openat(s->fd, "x.stamp", O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_int_equal(write_all(fd, "bootkeep-stamp 1\nkey a\0b\n", 25), 0);
        assert_int_equal(stamp_read(s->fd, "x.stamp", &b), -EBADMSG);
        assert_int_equal(ftruncate(fd, 65 * 1024 * 1024), 0);
        assert_int_equal(stamp_read(s->fd, "x.stamp", &b), -EBADMSG);
        close(fd);
        assert_int_equal(stamp_read(s->fd, "none", &b), -ENOENT);
        assert_null(b);
}

static void every_truncation_is_told(void **state) {
        const Scratch *s = *state;
        static const char whole[] = "bootkeep-stamp 1\nfingerprint 00\nfile /a 1\n";
        char text[sizeof(whole)];
        for (size_t n = 0; n < sizeof(whole) - 1; n++) {
                Stamp *b = NULL;
                memcpy(text, whole, n);
                text[n] = 0;
                scratch_write(s, "x", text);
                int r = stamp_read(s->fd, "x", &b);
                assert_int_equal(r, n > 0 && whole[n - 1] == '\n' ? 0 : -EBADMSG);
                stamp_free(b);
        }
}

static void stamp_is_never_read_through_what_is_no_file(void **state) {
        const Scratch *s = *state;
        Stamp *b = NULL;
        scratch_write(s, "real", "bootkeep-stamp 1\nkey value\n");
        assert_int_equal(symlinkat("real", s->fd, "link"), 0);
        assert_int_equal(mkfifoat(s->fd, "fifo", 0644), 0);
        assert_int_equal(mkdirat(s->fd, "directory", 0755), 0);
        assert_int_equal(stamp_read(s->fd, "link", &b), -EBADMSG);
        assert_int_equal(stamp_read(s->fd, "fifo", &b), -EBADMSG);
        assert_int_equal(stamp_read(s->fd, "directory", &b), -EBADMSG);
        assert_null(b);
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
        assert_int_equal(stamp_read(s->fd, "x.stamp", &b), 0);
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
        assert_int_equal(stamp_read(s->fd, "x.stamp", &b), 0);
        assert_int_equal(b->n_lines, 1);
        assert_int_equal(faccessat(s->fd, ".stamp.tmp", F_OK, 0), -1);
        stamp_free(a);
        stamp_free(b);
}

static void name_is_one_file_name(void **state) {
        char instance[300], *a = NULL, *b = NULL;
        assert_int_equal(stamp_name("initramfs", "6.1.0-50-amd64", &a), 0);
        assert_string_equal(a, "initramfs@6.1.0-50-amd64.stamp");
        free(a);
        assert_int_equal(stamp_name("splash", NULL, &a), 0);
        assert_string_equal(a, "splash.stamp");
        free(a);
        assert_int_equal(stamp_name("a", "x/../y z\n", &a), 0);
        assert_null(strpbrk(a, "/ \n"));
        free(a);
        memset(instance, '\n', sizeof(instance) - 1);
        instance[255] = 0;
        assert_int_equal(stamp_name("a", instance, &a), 0);
        instance[254] = 'x';
        assert_int_equal(stamp_name("a", instance, &b), 0);
        assert_int_equal(strlen(a), 255);
        assert_string_not_equal(a, b); /* also where they differ only in what is cut */
        free(a);
        free(b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(stamp_comes_back_with_its_files_last),
                cmocka_unit_test(lines_that_would_not_come_back_are_refused),
                scratch_test(what_is_not_a_stamp_is_told),
                scratch_test(every_truncation_is_told),
                scratch_test(stamp_is_never_read_through_what_is_no_file),
                scratch_test(link_in_the_place_of_a_stamp_is_replaced_not_followed),
                scratch_test(failed_write_leaves_the_old_stamp_and_no_litter),
                cmocka_unit_test(name_is_one_file_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
