/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/history.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/parse.h"

#define FIRST_LINE "bootkeep-history 1\n"
#define BEFORE ".old" /* no key has a dot in it */
#define TEXT_MAX ((size_t) 1024)

static void history_item_done(HistoryItem *item) {
        for (size_t i = 0; i < ELEMENTSOF(item->words); i++)
                free(item->words[i]);
        free(item->result);
        free(item->reason);
        *item = (HistoryItem){};
}

void history_entry_done(HistoryEntry *entry) {
        for (size_t i = 0; i < entry->n_items; i++)
                history_item_done(&entry->items[i]);
        free(entry->items);
        free(entry->result);
        free(entry->why);
        free(entry->reason);
        *entry = (HistoryEntry){};
}

void history_done(History *history) {
        for (size_t i = 0; i < history->n; i++)
                history_entry_done(&history->entries[i]);
        free(history->entries);
        *history = (History){};
}

/* Takes over ITEM, also if it fails. */
static int history_take_item(HistoryEntry *entry, HistoryItem *item) {
        int r = entry->n_items < HISTORY_ITEMS_MAX ? grow(entry->items, entry->n_items) : 0;
        if (r >= 0 && entry->n_items < HISTORY_ITEMS_MAX)
                entry->items[entry->n_items++] = *item;
        else
                history_item_done(item);
        return r;
}

int history_add_item(HistoryEntry *entry, const HistoryItem *item) {
        assert(entry && item);
        HistoryItem copy = {.helper = item->helper, .amount = item->amount};
        int r = 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(item->words); i++)
                r = free_and_strdup(&copy.words[i], strempty(item->words[i]));
        if (r >= 0)
                r = free_and_strdup(&copy.result, strempty(item->result));
        if (r >= 0)
                r = free_and_strdup(&copy.reason, strempty(item->reason));
        if (r >= 0)
                return history_take_item(entry, &copy);
        history_item_done(&copy);
        return r;
}

/* Writing */

/* Returns whether there was memory for it. */
static bool print_history_word(FILE *f, const char *text) {
        _cleanup_free_ char *cut = strndup(strempty(text), TEXT_MAX);
        _cleanup_free_ char *word = cut ? escape_word(cut) : NULL;
        return word && fprintf(f, " %s", word) >= 0;
}

static bool print_history_item(FILE *f, const HistoryItem *item) {
        bool good = fputs(item->helper ? "helper" : "cache", f) >= 0;
        for (size_t i = 0; good && i < (item->helper ? 3 : 2); i++)
                good = print_history_word(f, item->words[i]);
        good = good && print_history_word(f, item->result) && fprintf(f, " %" PRIu64, item->amount) >= 0;
        good = good && print_history_word(f, item->reason);
        return good && fputc('\n', f) != EOF;
}

static bool print_history_text(FILE *f, const char *key, const char *text) {
        return isempty(text) || (fputs(key, f) >= 0 && print_history_word(f, text) && fputc('\n', f) != EOF);
}

static int format_history(const HistoryEntry *entry, char **ret, size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        if (!f)
                return error_origin(-ENOMEM);
        bool good = fprintf(f, "build %" PRIu64 " %" PRIu64 " %i %s\n", entry->start, entry->end,
                            entry->status, strempty(entry->result)) >= 0;
        good = good && print_history_text(f, "why", entry->why);
        good = good && print_history_text(f, "reason", entry->reason);
        for (size_t i = 0; good && i < entry->n_items; i++)
                good = print_history_item(f, &entry->items[i]);
        if (fclose(f) != 0 || !good || !text)
                return error_origin(-ENOMEM);
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

static int open_history_directory(const char *path, int *ret) {
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return error_origin(-errno);
        *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return *ret < 0 ? error_origin(-errno) : 0;
}

static int name_before(const char *key, char **ret) {
        return strprintf(ret, "%s" BEFORE, key);
}

/* Makes room for SIZE bytes. */
static int rotate_history(int dir, const char *key, size_t size) {
        _cleanup_free_ char *before = NULL;
        struct stat st;
        if (fstatat(dir, key, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_origin(-errno);
        if (S_ISREG(st.st_mode) && (size_t) st.st_size + size <= HISTORY_FILE_MAX)
                return 0;
        int r = name_before(key, &before);
        if (r < 0)
                return r;
        return renameat(dir, key, dir, before) < 0 ? error_origin(-errno) : 0;
}

static int append_history(int dir, const char *key, const char *text, size_t size) {
        _cleanup_close_ int fd =
                openat(dir, key, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
        if (end < 0)
                return error_origin(-errno);
        int r = end == 0 ? write_all(fd, FIRST_LINE, strlen(FIRST_LINE)) : 0;
        return r < 0 ? r : write_all(fd, text, size);
}

int history_append(const char *path, const char *key, const HistoryEntry *entry) {
        assert(path && key && !strchr(key, '/') && entry);
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int dir = -EBADF;
        size_t size;
        int r = format_history(entry, &text, &size);
        if (r >= 0)
                r = open_history_directory(path, &dir);
        if (r >= 0)
                r = rotate_history(dir, key, strlen(FIRST_LINE) + size);
        return r < 0 ? r : append_history(dir, key, text, size);
}

/* Reading */

/* Makes each word safe to show. */
static int print_history_words(char **words) {
        for (; *words; words++) {
                char *printable = escape_print(*words);
                if (!printable)
                        return error_origin(-ENOMEM);
                free(*words);
                *words = printable;
        }
        return 0;
}

static int parse_history_build(History *history, char **words) {
        HistoryEntry entry = {};
        uint64_t status;
        bool negative = strv_length(words) == 5 && words[3][0] == '-';
        if (strv_length(words) != 5 || parse_u64(words[1], &entry.start) < 0 ||
            parse_u64(words[2], &entry.end) < 0 || parse_u64_max(words[3] + negative, INT_MAX, &status) < 0)
                return error_origin(-EBADMSG);
        entry.status = negative ? -(int) status : (int) status;
        if (free_and_strdup(&entry.result, words[4]) < 0 || free_and_strdup(&entry.why, "") < 0 ||
            free_and_strdup(&entry.reason, "") < 0 || grow(history->entries, history->n) < 0) {
                history_entry_done(&entry);
                return error_origin(-ENOMEM);
        }
        history->entries[history->n++] = entry;
        return 0;
}

static int parse_history_item(HistoryEntry *entry, char **words) {
        bool helper = streq(words[0], "helper");
        size_t n = helper ? 3 : 2;
        HistoryItem item = {.helper = helper};
        if (strv_length(words) != n + 4 || parse_u64(words[n + 2], &item.amount) < 0)
                return error_origin(-EBADMSG);
        for (size_t i = 0; i < n; i++)
                item.words[i] = words[1 + i];
        item.result = words[n + 1];
        item.reason = words[n + 3];
        return history_add_item(entry, &item);
}

static int parse_history_text(HistoryEntry *entry, char **words) {
        char **field = streq(words[0], "why")      ? &entry->why
                       : streq(words[0], "reason") ? &entry->reason
                                                   : NULL;
        if (!field || !words[1])
                return error_origin(-EBADMSG);
        return free_and_strdup(field, words[1]);
}

/* What belongs to no build, or makes no sense, is skipped. */
static int parse_history_line(History *history, const char *line) {
        _cleanup_strv_free_ char **words = NULL;
        int r = split_words(line, &words);
        if (r >= 0 && (!words || !words[0]))
                return 0;
        if (r >= 0)
                r = print_history_words(words);
        if (r < 0)
                return r == -EINVAL ? 0 : r;
        HistoryEntry *last = history->n > 0 ? &history->entries[history->n - 1] : NULL;
        if (streq(words[0], "build"))
                r = parse_history_build(history, words);
        else if (last && (streq(words[0], "cache") || streq(words[0], "helper")))
                r = parse_history_item(last, words);
        else if (last)
                r = parse_history_text(last, words);
        return r == -ENOMEM ? r : 0;
}

static int read_history_text(int dir, const char *name, char **ret) {
        struct stat st;
        _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && errno == ENOENT)
                return -ENOENT; /* an outcome */
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
                return error_origin(-EPERM);
        size_t size = MIN((size_t) st.st_size, (size_t) HISTORY_FILE_MAX);
        _cleanup_free_ char *text = malloc(size + 1);
        if (!text)
                return error_origin(-ENOMEM);
        ssize_t n = read(fd, text, size);
        if (n < 0)
                return error_origin(-errno);
        text[n] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

static int read_history_file(int dir, const char *name, History *history) {
        _cleanup_free_ char *text = NULL;
        int r = read_history_text(dir, name, &text);
        if (r < 0 || !text)
                return r == -ENOENT ? 0 : r;
        char *line, *rest = (char *) startswith(text, FIRST_LINE);
        while (r >= 0 && rest && (line = strsep(&rest, "\n")))
                if (rest) /* else it is not complete */
                        r = parse_history_line(history, line);
        return r;
}

int history_read(const char *path, const char *key, History *ret) {
        assert(path && key && ret);
        _cleanup_(history_done) History history = {};
        _cleanup_free_ char *before = NULL;
        _cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (dir < 0 && errno != ENOENT)
                return error_origin(-errno);
        int r = name_before(key, &before);
        if (r >= 0 && dir >= 0)
                r = read_history_file(dir, before, &history);
        if (r >= 0 && dir >= 0)
                r = read_history_file(dir, key, &history);
        if (r < 0)
                return r;
        *ret = history;
        history = (History){};
        return 0;
}
