/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stamps that are read, and what fits into one. Writing one: test-stamp-write.c. */

#include "freshness/stamp.h"

#include "interpose.h"

/* What somebody else does, or the file system reports, while a stamp is opened. */
static struct {
        void (*after_open)(const Scratch *s);
        const Scratch *scratch;
        int stat_error;
} opening;

FILE *fdopen(int fd, const char *mode) {
        if (opening.after_open && startswith(mode, "r"))
                opening.after_open(opening.scratch);
        return REAL(fdopen)(fd, mode);
}

int fstat(int fd, struct stat *ret) {
        if (opening.stat_error > 0) {
                errno = opening.stat_error;
                return -1;
        }
        return REAL(fstat)(fd, ret);
}

static int stamp_setup(void **state) {
        memset(&opening, 0, sizeof(opening));
        int r = scratch_setup(state);
        opening.scratch = *state;
        return r;
}

#define stamp_test(f) cmocka_unit_test_setup_teardown(f, stamp_setup, scratch_teardown)

static void words_are_added_to_a_line(void **state) {
        Stamp *s = stamp_new(), *same = stamp_new();
        assert_int_equal(stamp_add(s, "file", "/a 1"), 0);
        assert_int_equal(stamp_add(s, "file", "/b 2"), 0);
        assert_int_equal(stamp_extend(s, 0, "00ff"), 0);
        assert_int_equal(stamp_add(same, "file", "/a 1 00ff"), 0);
        assert_int_equal(stamp_add(same, "file", "/b 2"), 0);
        assert_string_equal(stamp_get(s, "file"), "/a 1 00ff");
        assert_int_equal(s->n_lines, 2);
        assert_int_equal(s->size, same->size);
        stamp_free(s);
        stamp_free(same);
}

static void stamp_comes_back_with_its_files_last(void **state) {
        const Scratch *s = *state;
        Stamp *a = stamp_new(), *b = NULL;
        size_t i = 0;
        assert_int_equal(stamp_add(a, "file", "/a 1"), 0);
        assert_int_equal(stamp_add(a, "fingerprint", "%s", "00ff"), 0);
        assert_int_equal(stamp_add(a, "file", "/b\\x20c %i", 2), 0);
        assert_int_equal(stamp_add(a, "output", "/o 5 1.0"), 0);
        assert_int_equal(stamp_write(s->fd, "x.stamp", a), 0);
        assert_int_equal(stamp_read(s->fd, "x.stamp", NULL, &b), 0);
        assert_int_equal(b->n_lines, 4);
        assert_string_equal(stamp_get(b, "fingerprint"), "00ff");
        assert_string_equal(stamp_next(b, "file", &i), "/a 1");
        assert_string_equal(stamp_next(b, "file", &i), "/b\\x20c 2");
        assert_null(stamp_next(b, "file", &i));
        assert_null(stamp_get(b, "nothing"));
        b = stamp_free(b);
        assert_int_equal(stamp_read_head(s->fd, "x.stamp", NULL, &b), 0);
        assert_int_equal(b->n_lines, 2);
        assert_string_equal(stamp_get(b, "output"), "/o 5 1.0");
        stamp_free(a);
        stamp_free(b);
}

static void head_ends_at_the_first_file_and_nothing_else(void **state) {
        const Scratch *s = *state;
        Stamp *b = NULL;
        scratch_write(s, "x",
                      "bootkeep-stamp 1\nfilesystem AB-CD\nfiles 1\nfingerprint 00\nfile /a 1\nafter x\n");
        assert_int_equal(stamp_read_head(s->fd, "x", NULL, &b), 0);
        assert_int_equal(b->n_lines, 3);
        assert_string_equal(stamp_get(b, "filesystem"), "AB-CD");
        assert_string_equal(stamp_get(b, "fingerprint"), "00");
        stamp_free(b);
}

static void room_is_what_may_be_read_in_all(void **state) {
        const Scratch *s = *state;
        static const char text[] = "bootkeep-stamp 1\nfingerprint 00\nfile /a 1\n";
        Stamp *b = NULL;
        size_t room = sizeof(text) - 1;
        scratch_write(s, "x", text);
        assert_int_equal(stamp_read(s->fd, "x", &room, &b), 0);
        assert_int_equal(room, 0);
        b = stamp_free(b);
        assert_int_equal(stamp_read(s->fd, "x", &room, &b), -EFBIG);
        assert_null(b);
        room = sizeof(text) - 2;
        assert_int_equal(stamp_read(s->fd, "x", &room, &b), -EFBIG);
        assert_null(b);
        room = 1000;
        assert_int_equal(stamp_read_head(s->fd, "x", &room, &b), 0); /* and the line at which it ends */
        assert_int_equal(room, 1000 - (sizeof(text) - 1));
        stamp_free(b);
}

/* Creates the file X with this many lines of this many bytes after the first. */
static void write_lines(const Scratch *s, size_t lines, size_t bytes) {
        char *line = malloc(bytes + 1);
        FILE *f = fdopen(openat(s->fd, "x", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), "w");
        assert_true(f && line);
        memset(line, 'x', bytes);
        memcpy(line, "k ", 2);
        line[bytes - 1] = '\n';
        line[bytes] = 0;
        (void) fputs("bootkeep-stamp 1\n", f);
        while (lines-- > 0)
                (void) fputs(line, f);
        assert_int_equal(fclose(f), 0);
        free(line);
}

static void stamps_are_bounded_in_size_and_lines(void **state) {
        const Scratch *s = *state;
        assert_int_equal(STAMP_LINES_MAX, 65536); /* for every version: one reads what another wrote */
        assert_int_equal(STAMP_SIZE_MAX, 4194304);
        Stamp *b = NULL;
        write_lines(s, STAMP_LINES_MAX, 4);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), 0);
        assert_int_equal(b->n_lines, STAMP_LINES_MAX);
        b = stamp_free(b);
        write_lines(s, STAMP_LINES_MAX + 1, 4);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), -EBADMSG);
        write_lines(s, 31, 131072 - 1);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), 0); /* the longest line, and nearly full */
        b = stamp_free(b);
        write_lines(s, 1, 131072);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), -EBADMSG);
        assert_null(b);
}

static void size_at_the_limit_is_read_one_byte_more_is_not(void **state) {
        const Scratch *s = *state;
        const size_t rest = STAMP_SIZE_MAX - strlen("bootkeep-stamp 1\n") - 63 * 65536;
        Stamp *b = NULL;
        for (size_t more = 0; more < 2; more++) {
                char *last = malloc(rest + more + 1);
                memset(last, 'y', rest + more);
                memcpy(last, "k ", 2);
                last[rest + more - 1] = '\n';
                last[rest + more] = 0;
                write_lines(s, 63, 65536);
                int fd = openat(s->fd, "x", O_WRONLY | O_APPEND | O_CLOEXEC);
                assert_int_equal(write_all(fd, last, rest + more), 0);
                close(fd);
                free(last);
                assert_int_equal(stamp_read(s->fd, "x", NULL, &b), more ? -EBADMSG : 0);
                b = stamp_free(b);
        }
}

/* Everything except the files is always there; of these as many as a reader accepts. */
static void files_without_room_are_counted_not_written(void **state) {
        const Scratch *s = *state;
        Stamp *a = stamp_new(), *b = NULL;
        size_t n = 0, i = 0;
        char value[1000], more[32];
        struct stat st;
        memset(value, 'v', sizeof(value));
        value[sizeof(value) - 1] = 0;
        for (i = 0; i < 5000; i++)
                assert_int_equal(stamp_add_file(a, "%s", value), 0);
        assert_int_equal(a->n_lines, (STAMP_SIZE_MAX + 1004) / 1005);
        assert_int_equal(a->n_lines + a->files_left_out, 5000);
        for (i = 0; i < 100; i++)
                assert_int_equal(stamp_add(a, "output", "%s", value), 0);
        assert_int_equal(stamp_add(a, "after", "all"), 0);
        assert_int_equal(stamp_write(s->fd, "x", a), 0);
        assert_int_equal(fstatat(s->fd, "x", &st, 0), 0);
        assert_in_range(st.st_size, STAMP_SIZE_MAX - 1005 - 64, STAMP_SIZE_MAX);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), 0);
        assert_string_equal(stamp_get(b, "after"), "all");
        for (i = 0; stamp_next(b, "file", &i);)
                n++;
        (void) snprintf(more, sizeof(more), "%zu", 5000 - n);
        assert_string_equal(stamp_get(b, "more"), more);
        b = stamp_free(b);
        assert_int_equal(stamp_read_head(s->fd, "x", NULL, &b), 0);
        assert_string_equal(stamp_get(b, "more"), more);
        stamp_free(a);
        stamp_free(b);
}

static void many_short_files_are_bounded_by_their_lines(void **state) {
        const Scratch *s = *state;
        Stamp *a = stamp_new(), *b = NULL;
        for (size_t i = 0; i < STAMP_LINES_MAX + 10; i++)
                assert_int_equal(stamp_add_file(a, "x"), 0);
        assert_int_equal(a->n_lines, STAMP_LINES_MAX);
        assert_int_equal(a->files_left_out, 10);
        assert_int_equal(stamp_add(a, "key", "value"), 0);
        assert_int_equal(stamp_write(s->fd, "x", a), 0);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), 0);
        assert_int_equal(b->n_lines, STAMP_LINES_MAX);
        assert_string_equal(stamp_get(b, "more"), "12"); /* two lines were needed for others */
        stamp_free(a);
        stamp_free(b);
}

static void what_cannot_be_left_out_and_has_no_room_is_an_error(void **state) {
        const Scratch *s = *state;
        char value[1000];
        Stamp *a = stamp_new();
        memset(value, 'v', sizeof(value));
        value[sizeof(value) - 1] = 0;
        scratch_write(s, "x", "old");
        for (size_t i = 0; i < STAMP_SIZE_MAX / 1004; i++)
                assert_int_equal(stamp_add(a, "key", "%s", value), 0);
        assert_int_equal(stamp_write(s->fd, "x", a), 0);
        assert_int_equal(stamp_add(a, "key", "%s", value), 0);
        assert_int_equal(stamp_write(s->fd, "x", a), -EFBIG);
        a = stamp_free(a);
        a = stamp_new();
        for (size_t i = 0; i < STAMP_LINES_MAX - 1; i++)
                assert_int_equal(stamp_add(a, "k", "v"), 0);
        assert_int_equal(stamp_write(s->fd, "y", a), 0);
        assert_int_equal(stamp_add(a, "k", "v"), 0);
        assert_int_equal(stamp_write(s->fd, "y", a), -EFBIG);
        stamp_free(a);
        assert_int_equal(faccessat(s->fd, ".stamp.tmp", F_OK, 0), -1);
}

static void one_file_left_out_is_counted_too(void **state) {
        const Scratch *s = *state;
        Stamp *a = stamp_new(), *b = NULL;
        assert_int_equal(stamp_add(a, "key", "value"), 0);
        a->files_left_out = 1;
        assert_int_equal(stamp_write(s->fd, "x", a), 0);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), 0);
        assert_string_equal(stamp_get(b, "more"), "1");
        b = stamp_free(b);
        a->files_left_out = 0;
        assert_int_equal(stamp_write(s->fd, "x", a), 0);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), 0);
        assert_null(stamp_get(b, "more"));
        stamp_free(a);
        stamp_free(b);
}

/* There is always room for the line `more`, however many there are. */
static void number_of_files_left_out_has_its_room(void **state) {
        const Scratch *s = *state;
        const size_t room =
                STAMP_SIZE_MAX - strlen("bootkeep-stamp 1\n") - strlen("more ") - (3 * sizeof(size_t) + 1);
        char *value = malloc(room);
        Stamp *a = stamp_new(), *b = NULL;
        for (size_t i = 0; i < 41; i++) {
                memset(value, 'v', room / 41 - 6);
                value[room / 41 - 6] = 0;
                assert_int_equal(stamp_add(a, "last", "%s", value), 0);
        }
        a->files_left_out = SIZE_MAX;
        size_t left = room - a->size;
        memset(value, 'v', left - 3);
        value[left - 3] = 0;
        assert_int_equal(stamp_add(a, "x", "%s", value), 0);
        assert_int_equal(a->size, room);
        assert_int_equal(stamp_write(s->fd, "x", a), 0);
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), 0);
        char all[24];
        (void) snprintf(all, sizeof(all), "%zu", SIZE_MAX);
        assert_string_equal(stamp_get(b, "more"), all);
        stamp_free(a);
        stamp_free(b);
        a = stamp_new();
        for (size_t i = 0; i < 41; i++) {
                memset(value, 'v', (room + 41) / 41 - 6);
                value[(room + 41) / 41 - 6] = 0;
                assert_int_equal(stamp_add(a, "last", "%s", value), 0);
        }
        assert_in_range(a->size, room + 1, room + 41);
        assert_int_equal(stamp_write(s->fd, "x", a), -EFBIG);
        stamp_free(a);
        free(value);
}

static void lines_that_would_not_come_back_are_refused(void **state) {
        Stamp *a = stamp_new();
        assert_int_equal(stamp_add(a, "key", "%s", ""), -EBADMSG);
        assert_int_equal(stamp_add(a, "", "value"), -EBADMSG);
        assert_int_equal(a->n_lines, 0);
        stamp_free(a);
}

static void files_that_are_not_stamps_are_recognized(void **state) {
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
                assert_int_equal(stamp_read(s->fd, "x.stamp", NULL, &b), -EBADMSG);
                assert_int_equal(stamp_read_head(s->fd, "x.stamp", NULL, &b), -EBADMSG);
        }
        int fd = openat(s->fd, "x.stamp", O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_int_equal(write_all(fd, "bootkeep-stamp 1\nkey a\0b\n", 25), 0);
        assert_int_equal(stamp_read(s->fd, "x.stamp", NULL, &b), -EBADMSG);
        assert_int_equal(ftruncate(fd, 65 * 1024 * 1024), 0);
        assert_int_equal(stamp_read(s->fd, "x.stamp", NULL, &b), -EBADMSG);
        close(fd);
        assert_int_equal(stamp_read(s->fd, "none", NULL, &b), -ENOENT);
        assert_null(b);
}

static void every_truncation_is_recognized(void **state) {
        const Scratch *s = *state;
        static const char whole[] = "bootkeep-stamp 1\nfingerprint 00\nfile /a 1\n";
        char text[sizeof(whole)];
        for (size_t n = 0; n < sizeof(whole) - 1; n++) {
                Stamp *b = NULL;
                memcpy(text, whole, n);
                text[n] = 0;
                scratch_write(s, "x", text);
                int r = stamp_read(s->fd, "x", NULL, &b);
                assert_int_equal(r, n > 0 && whole[n - 1] == '\n' ? 0 : -EBADMSG);
                stamp_free(b);
        }
}

static void only_regular_files_are_read_as_stamps(void **state) {
        const Scratch *s = *state;
        Stamp *b = NULL;
        scratch_write(s, "real", "bootkeep-stamp 1\nkey value\n");
        assert_int_equal(symlinkat("real", s->fd, "link"), 0);
        assert_int_equal(mkfifoat(s->fd, "fifo", 0644), 0);
        assert_int_equal(mkdirat(s->fd, "directory", 0755), 0);
        assert_int_equal(stamp_read(s->fd, "link", NULL, &b), -EBADMSG);
        assert_int_equal(stamp_read(s->fd, "fifo", NULL, &b), -EBADMSG);
        assert_int_equal(stamp_read(s->fd, "directory", NULL, &b), -EBADMSG);
        assert_null(b);
}

/* To twice the size that is allowed, in lines that are. */
static void grow_stamp(const Scratch *s) {
        write_lines(s, 2 * STAMP_SIZE_MAX / 65536, 65536);
}

static void stamp_that_grows_while_it_is_read_is_bounded(void **state) {
        const Scratch *s = *state;
        Stamp *b = NULL;
        write_lines(s, 1, 100);
        opening.after_open = grow_stamp;
        assert_int_equal(stamp_read(s->fd, "x", NULL, &b), -EBADMSG);
        assert_null(b);
}

static void error_while_reading_is_not_the_end(void **state) {
        const Scratch *s = *state;
        Stamp *b = NULL;
        _cleanup_close_ int self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(stamp_read(self, "mem", NULL, &b), -EIO); /* there is nothing at address 0 */
        scratch_write(s, "x", "bootkeep-stamp 1\n");
        opening.stat_error = EIO;
        int r = stamp_read(s->fd, "x", NULL, &b);
        opening.stat_error = 0;
        assert_int_equal(r, -EIO);
        assert_null(b);
}

static void name_of(const char *name, const char *instance, const char *expected) {
        char *text = NULL;
        assert_int_equal(stamp_name(name, instance, &text), 0);
        assert_string_equal(text, expected);
        free(text);
}

static void name_is_one_file_name(void **state) {
        name_of("initramfs", "6.1.0-50-amd64", "initramfs@6.1.0-50-amd64.stamp");
        name_of("splash", NULL, "splash.stamp");
        name_of("a", "", "a@\\x.stamp");
        name_of("a", "x/../y z\n", "a@x\\..\\y\\x20z\\x0a.stamp");
}

/* A stamp of the version before is found under the same name. */
static void name_that_is_too_long_ends_with_its_hash(void **state) {
        char instance[256] = "", expected[300], *a = NULL, *b = NULL;
        memset(instance, 'x', 247);
        (void) snprintf(expected, sizeof(expected), "a@%s.stamp", instance);
        assert_int_equal(strlen(expected), 255);
        name_of("a", instance, expected);
        instance[247] = 'x';
        (void) snprintf(expected, sizeof(expected), "a@%.230s-b8eea40b618e086c.stamp", instance);
        name_of("a", instance, expected);
        memset(instance, '\n', 255);
        assert_int_equal(stamp_name("a", instance, &a), 0);
        instance[254] = 'x';
        assert_int_equal(stamp_name("a", instance, &b), 0);
        assert_int_equal(strlen(a), 255);
        assert_string_not_equal(a, b); /* even if they differ only in what is cut off */
        free(a);
        free(b);
}

static void line_is_found_by_how_it_begins(void **state) {
        _cleanup_(stamp_freep) Stamp *s = stamp_new();
        assert_int_equal(stamp_add(s, "output", "/a-b 1"), 0);
        assert_int_equal(stamp_add(s, "content", "/a x"), 0);
        assert_int_equal(stamp_add(s, "output", "/a 2"), 0);
        assert_int_equal(stamp_add(s, "output", "/a 3"), 0);
        assert_string_equal(stamp_find(s, "output", "/a "), "/a 2");
        assert_string_equal(stamp_find(s, "content", "/a "), "/a x");
        assert_null(stamp_find(s, "output", "/a 4"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(words_are_added_to_a_line),
                stamp_test(stamp_comes_back_with_its_files_last),
                stamp_test(head_ends_at_the_first_file_and_nothing_else),
                stamp_test(room_is_what_may_be_read_in_all),
                stamp_test(stamps_are_bounded_in_size_and_lines),
                stamp_test(size_at_the_limit_is_read_one_byte_more_is_not),
                stamp_test(files_without_room_are_counted_not_written),
                stamp_test(one_file_left_out_is_counted_too),
                stamp_test(number_of_files_left_out_has_its_room),
                stamp_test(many_short_files_are_bounded_by_their_lines),
                stamp_test(what_cannot_be_left_out_and_has_no_room_is_an_error),
                cmocka_unit_test(lines_that_would_not_come_back_are_refused),
                stamp_test(files_that_are_not_stamps_are_recognized),
                stamp_test(every_truncation_is_recognized),
                stamp_test(only_regular_files_are_read_as_stamps),
                stamp_test(stamp_that_grows_while_it_is_read_is_bounded),
                stamp_test(error_while_reading_is_not_the_end),
                cmocka_unit_test(line_is_found_by_how_it_begins),
                cmocka_unit_test(name_is_one_file_name),
                cmocka_unit_test(name_that_is_too_long_ends_with_its_hash),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
