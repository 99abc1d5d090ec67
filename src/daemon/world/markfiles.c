/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Others write to these files without any lock: .pkgs is appended to by a single write, and replaced only if
 * it is still the file that was read. */

#include "daemon/world/markfiles.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/error.h"

#define MARK "reboot-required"
#define LIST MARK ".pkgs"
#define STAGED ".bootkeep-" MARK
#define NOTE_FOLDER "bootkeep"
#define NOTE NOTE_FOLDER "/" MARK
#define OUR_NAME "bootkeep"
#define TEXT "*** System restart required ***\n" /* what others write */
#define LIST_MAX ((size_t) 1024 * 1024)
#define NOTE_MAX 64
#define ATTEMPTS 5U

bool markfiles_are_used(void) {
        return access("/etc/debian_version", F_OK) >= 0;
}

static int open_run(const char *run, int *ret) {
        int fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_origin(-errno);
        *ret = fd;
        return 0;
}

/* What a file is known by: it is another one if somebody has written to it. */
static void describe_file(const struct stat *st, char note[static NOTE_MAX]) {
        (void) snprintf(note, NOTE_MAX, "%" PRIu64 " %" PRIu64 " %" PRId64 ".%09ld", (uint64_t) st->st_ino,
                        (uint64_t) st->st_size, (int64_t) st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

/* .pkgs as it was read. */
typedef struct List {
        char *text; /* "" where there is none */
        struct stat st;
        bool exists;
} List;

static void list_done(List *list) {
        free(list->text);
}

static int read_whole(int fd, size_t size, char **ret) {
        _cleanup_free_ char *text = malloc(size + 1);
        if (!text)
                return error_origin(-ENOMEM);
        size_t used = 0;
        for (ssize_t n = 1; n != 0 && used < size; used += (size_t) n) {
                n = read(fd, text + used, size - used);
                if (n < 0)
                        return error_origin(-errno);
        }
        text[used] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

/* -EFBIG, -EISDIR: it is no list. */
static int list_read(int run, List *ret) {
        _cleanup_close_ int fd = openat(run, LIST, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && errno != ENOENT)
                return error_origin(-errno);
        if (fd < 0) {
                ret->text = strdup("");
                return ret->text ? 0 : error_origin(-ENOMEM);
        }
        if (fstat(fd, &ret->st) < 0)
                return error_origin(-errno);
        if (!S_ISREG(ret->st.st_mode))
                return error_origin(-EISDIR);
        if ((size_t) ret->st.st_size > LIST_MAX)
                return error_origin(-EFBIG);
        ret->exists = true;
        return read_whole(fd, (size_t) ret->st.st_size, &ret->text);
}

static bool is_our_line(const char *line, size_t size) {
        return size == strlen(OUR_NAME) && memcmp(line, OUR_NAME, size) == 0;
}

/* Empty lines are nobody's. */
static void list_look(const List *list, RebootMark *mark) {
        for (const char *line = list->text; *line;) {
                size_t size = strcspn(line, "\n");
                if (is_our_line(line, size))
                        mark->lists_us = true;
                else if (size > 0)
                        mark->lists_others = true;
                line += size + (line[size] == '\n');
        }
}

static int note_read(int run, char note[static NOTE_MAX]) {
        _cleanup_close_ int fd = openat(run, NOTE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        ssize_t n = fd < 0 ? 0 : read(fd, note, NOTE_MAX - 1);
        if ((fd < 0 && errno != ENOENT) || n < 0)
                return error_origin(-errno);
        note[n] = 0;
        return 0;
}

static int look_at_mark(int run, RebootMark *mark) {
        char note[NOTE_MAX], found[NOTE_MAX];
        struct stat st;
        if (fstatat(run, MARK, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_origin(-errno);
        mark->exists = true;
        describe_file(&st, found);
        int r = note_read(run, note);
        mark->ours = r >= 0 && S_ISREG(st.st_mode) && streq(note, found);
        return r;
}

int markfiles_read(const char *run, RebootMark *ret) {
        assert(run && ret);
        _cleanup_close_ int fd = -EBADF;
        _cleanup_(list_done) List list = {};
        RebootMark mark = {};
        int r = open_run(run, &fd);
        if (r >= 0)
                r = look_at_mark(fd, &mark);
        if (r < 0)
                return r;
        r = list_read(fd, &list);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                mark.lists_others = true;
        else
                list_look(&list, &mark);
        *ret = mark;
        return 0;
}

static int write_staged(int run, const char *text, size_t size, struct stat *ret) {
        (void) unlinkat(run, STAGED, 0);
        _cleanup_close_ int fd =
                openat(run, STAGED, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return error_origin(-errno);
        int r = write_all(fd, text, size);
        if (r >= 0 && fstat(fd, ret) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(run, STAGED, 0);
        return r < 0 ? error_origin(r) : 0;
}

/* Before the file is there: a note without it means nothing. */
static int note_write(int run, const struct stat *st) {
        char note[NOTE_MAX];
        if (mkdirat(run, NOTE_FOLDER, 0755) < 0 && errno != EEXIST)
                return error_origin(-errno);
        _cleanup_close_ int fd =
                openat(run, NOTE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return error_origin(-errno);
        describe_file(st, note);
        return write_all(fd, note, strlen(note));
}

static int mark_make(int run) {
        struct stat st = {};
        int r = write_staged(run, TEXT, strlen(TEXT), &st);
        if (r >= 0)
                r = note_write(run, &st);
        if (r >= 0 && renameat2(run, STAGED, run, MARK, RENAME_NOREPLACE) < 0)
                r = errno == EEXIST ? 1 : error_origin(-errno); /* somebody else was first: it is theirs */
        if (r != 0)
                (void) unlinkat(run, STAGED, 0);
        return r;
}

static int list_append(int run) {
        _cleanup_(list_done) List list = {};
        int r = list_read(run, &list);
        if (r < 0)
                return r;
        assert(list.text);
        size_t size = strlen(list.text);
        const char *line = size > 0 && list.text[size - 1] != '\n' ? "\n" OUR_NAME "\n" : OUR_NAME "\n";
        _cleanup_close_ int fd =
                openat(run, LIST, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
        return fd < 0 ? error_origin(-errno) : write_all(fd, line, strlen(line));
}

/* Removes our lines from TEXT, and returns whether anything but empty lines is left. */
static bool cut_our_lines(char *text) {
        char *to = text;
        bool left = false;
        for (const char *line = text; *line;) {
                size_t size = strcspn(line, "\n"), whole = size + (line[size] == '\n');
                if (!is_our_line(line, size)) {
                        memmove(to, line, whole);
                        to += whole;
                        left = left || size > 0;
                }
                line += whole;
        }
        *to = 0;
        return left;
}

/* Is LIST what stands there? */
static bool list_is_unchanged(int run, const List *list) {
        char before[NOTE_MAX], now[NOTE_MAX];
        struct stat st;
        if (fstatat(run, LIST, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        describe_file(&list->st, before);
        describe_file(&st, now);
        return streq(before, now);
}

static int list_replace(int run, List *list) {
        struct stat st = {};
        assert(list->exists && list->text);
        bool left = cut_our_lines(list->text);
        int r = left ? write_staged(run, list->text, strlen(list->text), &st) : 0;
        if (r < 0)
                return r;
        if (!list_is_unchanged(run, list))
                r = -EAGAIN;
        else if ((left ? renameat(run, STAGED, run, LIST) : unlinkat(run, LIST, 0)) < 0)
                r = error_origin(-errno);
        if (r < 0)
                (void) unlinkat(run, STAGED, 0);
        return r;
}

static int list_cut(int run) {
        int r = -EAGAIN;
        for (unsigned i = 0; r == -EAGAIN && i < ATTEMPTS; i++) {
                _cleanup_(list_done) List list = {};
                r = list_read(run, &list);
                if (r >= 0 && list.exists)
                        r = list_replace(run, &list);
        }
        return r;
}

static int unlink_name(int run, const char *name) {
        return unlinkat(run, name, 0) < 0 && errno != ENOENT ? error_origin(-errno) : 0;
}

int markfiles_apply(const char *run, unsigned acts) {
        assert(run);
        _cleanup_close_ int fd = -EBADF;
        int r = open_run(run, &fd);
        if (r >= 0 && (acts & REBOOTMARK_MAKE))
                r = mark_make(fd);
        if (r >= 0 && (acts & REBOOTMARK_LIST))
                r = list_append(fd);
        if (r >= 0 && (acts & REBOOTMARK_UNLIST))
                r = list_cut(fd);
        if (r >= 0 && (acts & REBOOTMARK_REMOVE))
                r = unlink_name(fd, MARK);
        if (r >= 0 && (acts & REBOOTMARK_REMOVE))
                r = unlink_name(fd, NOTE);
        return r < 0 ? r : 0;
}
