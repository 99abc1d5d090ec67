/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The history of builds: what is written is read, it stays within its room, and damage costs what is damaged.
 */

#include "base/history.h"

#include "fixture.h"

#define KEY "4f68bce3"

static void append(const Scratch *s, const HistoryEntry *entry) {
        _cleanup_free_ char *dir = outer_path(s, "history");
        assert_int_equal(history_append(dir, KEY, entry), 0);
}

static History read_all(const Scratch *s) {
        History history = {};
        _cleanup_free_ char *dir = outer_path(s, "history");
        assert_int_equal(history_read(dir, KEY, &history), 0);
        return history;
}

static void nothing_was_built_at_first(void **state) {
        _cleanup_(history_done) History history = read_all(*state);
        assert_int_equal(history.n, 0);
}

static void what_is_written_is_read(void **state) {
        const Scratch *s = *state;
        char result[] = "failed", why[] = "cache initramfs 6.1: /etc/a b\nchanged",
             reason[] = "exit status 1";
        HistoryEntry entry = {
                .start = 5, .end = 9, .status = -22, .result = result, .why = why, .reason = reason};
        char name[] = "initramfs", instance[] = "", bad[] = "failed", text[] = "", device[] = "sda1",
             type[] = "esp", id[] = "12-34", ok[] = "ok";
        const HistoryItem cache = {.words = {name, instance}, .result = bad, .amount = 4, .reason = text},
                          helper = {
                                  .helper = true, .words = {device, type, id}, .result = ok, .amount = 1000};
        HistoryEntry second = {.start = 10, .end = 11, .result = ok};
        assert_int_equal(history_add_item(&second, &cache), 0);
        assert_int_equal(history_add_item(&second, &helper), 0);
        append(s, &entry);
        append(s, &second);
        _cleanup_(history_done) History history = read_all(s);
        assert_int_equal(history.n, 2);
        const HistoryEntry *e = &history.entries[0];
        assert_int_equal(e->start, 5);
        assert_int_equal(e->end, 9);
        assert_int_equal(e->status, -22);
        assert_string_equal(e->result, "failed");
        assert_string_equal(e->why, "cache initramfs 6.1: /etc/a b\\x0achanged"); /* as it can be shown */
        assert_string_equal(e->reason, "exit status 1");
        assert_int_equal(e->n_items, 0);
        e = &history.entries[1];
        assert_string_equal(e->why, "");
        assert_int_equal(e->n_items, 2);
        assert_false(e->items[0].helper);
        assert_string_equal(e->items[0].words[0], "initramfs");
        assert_string_equal(e->items[0].words[1], "");
        assert_string_equal(e->items[0].result, "failed");
        assert_int_equal(e->items[0].amount, 4);
        assert_true(e->items[1].helper);
        assert_string_equal(e->items[1].words[2], "12-34");
        assert_int_equal(e->items[1].amount, 1000);
        second.result = second.why = second.reason = NULL;
        history_entry_done(&second);
}

/* However much is built: 1 MiB, with the last builds in it. */
static void it_stays_within_its_room(void **state) {
        const Scratch *s = *state;
        char text[1000], result[] = "success";
        struct stat st = {}, old = {};
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        for (uint64_t i = 1; i <= 1500; i++)
                append(s, &(HistoryEntry){.start = i, .end = i, .result = result, .why = text});
        assert_int_equal(fstatat(s->fd, "history/" KEY, &st, 0), 0);
        assert_int_equal(fstatat(s->fd, "history/" KEY ".old", &old, 0), 0);
        assert_true(st.st_size <= HISTORY_FILE_MAX && old.st_size <= HISTORY_FILE_MAX);
        assert_int_equal(st.st_mode & 0777, 0600);
        _cleanup_(history_done) History history = read_all(s);
        assert_true(history.n > 500 && history.n < 1500);
        for (size_t i = 0; i < history.n; i++)
                assert_int_equal(history.entries[i].start, 1500 - history.n + 1 + i);
}

static void a_long_text_or_many_items_are_cut(void **state) {
        const Scratch *s = *state;
        char *text = calloc(1, 100001), result[] = "success", word[] = "w";
        HistoryEntry entry = {.result = result};
        assert_non_null(text);
        memset(text, 'x', 100000);
        for (int i = 0; i < 1000; i++)
                assert_int_equal(
                        history_add_item(&entry, &(HistoryItem){.words = {word, word}, .reason = text}), 0);
        entry.why = text;
        append(s, &entry);
        _cleanup_(history_done) History history = read_all(s);
        assert_int_equal(history.n, 1);
        assert_int_equal(strlen(history.entries[0].why), 1024);
        assert_int_equal(history.entries[0].n_items, HISTORY_ITEMS_MAX);
        entry.result = NULL;
        history_entry_done(&entry);
}

/* After a power cut its end may be missing; others may know more keys. */
static void what_is_damaged_is_skipped(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *dir = outer_path(s, "history");
        assert_int_equal(mkdir(dir, 0700), 0);
        int fd = openat(s->fd, "history/" KEY, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        static const char text[] =
                "bootkeep-history 1\nwhy early\nbuild 1 2 0 success\nnew key\nwhy\ncache a b ok\n"
                "helper a b c ok x y\nwhy \\q\nwhy it\\x20was\n\nbuild 1 2 x failed\nbuild -1 2 0 "
                "failed\nbuild 3 4 75 not-now\nreason later\nbuild 5 6 0 succ";
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
        _cleanup_(history_done) History history = read_all(s);
        assert_int_equal(history.n, 2);
        assert_string_equal(history.entries[0].why, "it was");
        assert_int_equal(history.entries[0].n_items, 0);
        assert_int_equal(history.entries[1].status, 75);
        assert_string_equal(history.entries[1].reason, "later");
}

static void what_is_not_its_file_is_an_error(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *dir = outer_path(s, "history");
        History history = {};
        assert_int_equal(mkdir(dir, 0700), 0);
        assert_int_equal(mkdirat(s->fd, "history/" KEY, 0700), 0);
        assert_int_equal(history_read(dir, KEY, &history), -EPERM);
        assert_int_equal(unlinkat(s->fd, "history/" KEY, AT_REMOVEDIR), 0);
        assert_int_equal(symlinkat("/etc/passwd", s->fd, "history/" KEY), 0);
        assert_int_equal(history_read(dir, KEY, &history), -ELOOP);
        /* but it does not stay so */
        char result[] = "success";
        append(s, &(HistoryEntry){.start = 7, .result = result});
        struct stat st;
        assert_int_equal(fstatat(s->fd, "history/" KEY, &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISREG(st.st_mode));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(nothing_was_built_at_first), scratch_test(what_is_written_is_read),
                scratch_test(it_stays_within_its_room),   scratch_test(a_long_text_or_many_items_are_cut),
                scratch_test(what_is_damaged_is_skipped), scratch_test(what_is_not_its_file_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
