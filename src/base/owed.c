/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/owed.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/escape.h"

#define RECORD_MAX ((size_t) 16 * 1024)
#define KEY_MAX 200U
#define REASON_MAX ((size_t) 4096)
#define SAID_MAX 20U /* of those that are ignored */
#define FIRST_LINE "bootkeep-owed 1"

static void owed_done(Owed *owed) {
        free(owed->key);
        free(owed->volume);
        free(owed->uuid);
        free(owed->reason);
        *owed = (Owed){};
}

void owed_list_done(OwedList *list) {
        for (size_t i = 0; i < list->n; i++)
                owed_done(&list->items[i]);
        free(list->items);
        *list = (OwedList){};
}

int owed_list_add(OwedList *list, const Owed *owed) {
        Owed copy = {.since = owed->since};
        if (free_and_strdup(&copy.key, owed->key) < 0 || free_and_strdup(&copy.volume, owed->volume) < 0 ||
            free_and_strdup(&copy.uuid, owed->uuid) < 0 || free_and_strdup(&copy.reason, owed->reason) < 0 ||
            grow(list->items, list->n) < 0) {
                owed_done(&copy);
                return error_origin(-ENOMEM);
        }
        list->items[list->n++] = copy;
        return 0;
}

void owed_list_drop(OwedList *list, size_t i) {
        assert(i < list->n);
        owed_done(&list->items[i]);
        memmove(list->items + i, list->items + i + 1, (list->n - i - 1) * sizeof(*list->items));
        list->n--;
}

/* The key */

static bool is_usable_uuid(const char *uuid) {
        size_t n = strlen(strempty(uuid));
        if (n == 0 || n > 64 || !isalnum((unsigned char) *uuid))
                return false;
        for (; *uuid; uuid++)
                if (!isalnum((unsigned char) *uuid) && *uuid != '-')
                        return false;
        return true;
}

static uint64_t hash_name(const char *s) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (; *s; s++)
                hash = (hash ^ (unsigned char) *s) * UINT64_C(0x100000001b3);
        return hash;
}

/* Letters and digits stay, the rest becomes _HH: no '/', no leading '.'. What is not ASCII may have become
 * '?' on its way over the bus (bustext.c), so it all is that. */
static int encode_name(const char *s, char **ret) {
        char *p, *encoded = malloc(strlen(s) * 3 + 1);
        if (!encoded)
                return error_origin(-ENOMEM);
        for (p = encoded; *s; s++)
                if (isalnum((unsigned char) *s))
                        *p++ = *s;
                else
                        p += sprintf(p, "_%02x", (unsigned char) *s < 0x80 ? (unsigned char) *s : '?');
        *p = 0;
        *ret = encoded;
        return 0;
}

int owed_make_key(const char *uuid, const char *name, char **ret) {
        assert(name && ret);
        bool usable = is_usable_uuid(uuid);
        const char *root = strchr(name, '['), *rest = usable ? strempty(root) : name;
        _cleanup_free_ char *encoded = NULL;
        int r = encode_name(rest, &encoded);
        if (r < 0)
                return r;
        if (strlen(encoded) > KEY_MAX - 64)
                return strprintf(ret, "%s_%016" PRIx64, usable ? uuid : "", hash_name(encoded));
        return strprintf(ret, "%s%s%s", usable ? uuid : "_", isempty(encoded) || usable ? "" : "_", encoded);
}

/* Reading */

static int take_owed_text(char **field, const char *value) {
        char *printable;
        if (*field)
                return error_origin(-EBADMSG);
        printable = escape_print(value);
        if (!printable)
                return error_origin(-ENOMEM);
        *field = printable;
        return 0;
}

static int take_since(Owed *owed, const char *value) {
        char *end;
        if (!isdigit((unsigned char) *value) || owed->since != 0)
                return error_origin(-EBADMSG);
        errno = 0;
        owed->since = strtoull(value, &end, 10);
        return errno != 0 || *end ? error_origin(-EBADMSG) : 0;
}

/* A volume's name may have any bytes in it. */
static int take_volume(Owed *owed, const char *value) {
        if (owed->volume)
                return error_origin(-EBADMSG);
        int r = unescape_word(value, strlen(value), &owed->volume);
        return r == -EINVAL ? error_origin(-EBADMSG) : r;
}

/* A key that a later version writes is skipped. */
static int take_owed_line(Owed *owed, const char *line) {
        const char *value;
        if ((value = startswith(line, "volume ")))
                return take_volume(owed, value);
        if ((value = startswith(line, "uuid ")))
                return take_owed_text(&owed->uuid, value);
        if ((value = startswith(line, "reason ")))
                return take_owed_text(&owed->reason, value);
        if ((value = startswith(line, "since ")))
                return take_since(owed, value);
        return strchr(line, ' ') ? 0 : error_origin(-EBADMSG);
}

/* TEXT is changed. */
static int parse_owed(char *text, Owed *ret) {
        char *line, *rest = text;
        int r = 0;
        line = strsep(&rest, "\n");
        if (!rest || !streq(line, FIRST_LINE))
                return error_origin(-EBADMSG);
        while (r >= 0 && (line = strsep(&rest, "\n")))
                if (*line || rest) /* the last line ends with a newline, too */
                        r = take_owed_line(ret, line);
        if (r >= 0 && (isempty(ret->volume) || !ret->reason))
                r = error_origin(-EBADMSG);
        return r;
}

/* Only root can have put it here, and nobody else can change it. */
static const char *distrust_owed_file(const struct stat *st) {
        if (!S_ISREG(st->st_mode))
                return "not a regular file";
        if (st->st_uid != 0)
                return "not owned by root";
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return "writable by others than root";
        return st->st_size > (off_t) RECORD_MAX ? "too large" : NULL;
}

static int read_owed_text(int dir, const char *name, char *text, const char **ret_why) {
        struct stat st;
        _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_origin(-errno);
        *ret_why = distrust_owed_file(&st);
        if (*ret_why)
                return error_origin(-EBADMSG);
        ssize_t n = read(fd, text, RECORD_MAX);
        if (n < 0)
                return error_origin(-errno);
        text[n] = 0;
        return strlen(text) == (size_t) n ? 0 : error_origin(-EBADMSG);
}

static int read_owed_record(int dir, const char *name, Owed *ret, const char **ret_why) {
        _cleanup_free_ char *text = malloc(RECORD_MAX + 1), *key = NULL;
        if (!text)
                return error_origin(-ENOMEM);
        int r = read_owed_text(dir, name, text, ret_why);
        if (r >= 0)
                r = parse_owed(text, ret);
        if (r >= 0)
                r = owed_make_key(ret->uuid, ret->volume, &key);
        if (r >= 0 && !streq(key, name))
                r = error_origin(-EBADMSG);
        if (r >= 0)
                ret->key = TAKE_PTR(key);
        return r;
}

/* Returns whether it is one; says at LEVEL if not. */
static int add_owed_record(int dir, const char *name, int level, OwedList *list) {
        const char *why = NULL;
        Owed owed = {};
        int r = read_owed_record(dir, name, &owed, &why);
        if (r >= 0 && grow(list->items, list->n) < 0)
                r = error_origin(-ENOMEM);
        if (r >= 0) {
                list->items[list->n++] = owed;
                return 1;
        }
        owed_done(&owed);
        if (r == -ENOMEM)
                return r;
        _cleanup_free_ char *printable = escape_print(name);
        log_send(level, NULL, "Ignoring the record %s of what was owed: %s", strempty(printable),
                 why             ? why
                 : r == -EBADMSG ? "not a record"
                 : r == -ELOOP   ? "a symbolic link"
                                 : strerror(-r));
        return 0;
}

/* NULL and 0: it does not exist. */
static int open_owed_directory(const char *path, DIR **ret) {
        struct stat st;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? 0 : error_origin(-errno);
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
                return error_origin(-EPERM);
        *ret = fdopendir(fd);
        if (!*ret)
                return error_origin(-errno);
        (void) TAKE_FD(fd);
        return 0;
}

/* A folder full of something else does not fill the journal. */
static int read_owed_records(DIR *d, OwedList *list) {
        const struct dirent *e;
        size_t ignored = 0;
        int r = 0;
        while (r >= 0 && (e = readdir(d))) {
                if (e->d_name[0] == '.') /* "." and "..", a temporary */
                        continue;
                if (list->n == OWED_MAX) {
                        log_warning("More than %u records of what was owed, ignoring the rest", OWED_MAX);
                        break;
                }
                r = add_owed_record(dirfd(d), e->d_name, ignored < SAID_MAX ? LOG_WARNING : LOG_DEBUG, list);
                ignored += r == 0;
        }
        if (ignored > SAID_MAX)
                log_warning("Ignoring %zu more records of what was owed", ignored - SAID_MAX);
        return r;
}

int owed_read(const char *path, OwedList *ret) {
        assert(path && ret);
        _cleanup_closedir_ DIR *d = NULL;
        _cleanup_(owed_list_done) OwedList list = {};
        int r = open_owed_directory(path, &d);
        if (r >= 0 && d)
                r = read_owed_records(d, &list);
        if (r < 0)
                return r;
        *ret = list;
        list = (OwedList){};
        return 0;
}

/* Writing */

static int make_owed_directory(const char *path, int *ret) {
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return error_origin(-errno);
        *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return *ret < 0 ? error_origin(-errno) : 0;
}

static int format_owed(const OwedView *view, char **ret) {
        _cleanup_free_ char *volume = escape_word(view->volume), *reason = escape_print(view->reason);
        if (!volume || !reason)
                return error_origin(-ENOMEM);
        int precision = (int) MIN(strlen(reason), REASON_MAX);
        return strprintf(ret, FIRST_LINE "\nvolume %s\nuuid %s\nsince %" PRIu64 "\nreason %.*s\n", volume,
                         is_usable_uuid(view->uuid) ? view->uuid : "", realtime_usec(), precision, reason);
}

static int write_owed_file(int dir, const char *name, const char *text) {
        if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
                return error_origin(-errno);
        _cleanup_close_ int fd =
                openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return error_origin(-errno);
        int r = write_all(fd, text, strlen(text));
        return r >= 0 && fsync(fd) < 0 ? error_origin(-errno) : r;
}

int owed_write(const char *path, const OwedView *view) {
        assert(path && view && view->volume && view->reason);
        static const char temporary[] = ".new";
        _cleanup_free_ char *key = NULL, *text = NULL;
        _cleanup_close_ int dir = -EBADF;
        int r = owed_make_key(view->uuid, view->volume, &key);
        if (r >= 0)
                r = format_owed(view, &text);
        if (r >= 0)
                r = make_owed_directory(path, &dir);
        if (r < 0)
                return r;
        r = write_owed_file(dir, temporary, text);
        if (r >= 0 && renameat(dir, temporary, dir, key) < 0)
                r = error_origin(-errno);
        if (r < 0)
                (void) unlinkat(dir, temporary, 0);
        else if (fsync(dir) < 0)
                r = error_origin(-errno);
        return r;
}

int owed_remove(const char *path, const char *key) {
        assert(path && key && !strchr(key, '/') && key[0] != '.');
        _cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (dir < 0)
                return errno == ENOENT ? 0 : error_origin(-errno);
        if (unlinkat(dir, key, 0) < 0)
                return errno == ENOENT ? 0 : error_origin(-errno);
        return fsync(dir) < 0 ? error_origin(-errno) : 0;
}
