/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Stamps. The file lies on the volume, so anybody who may write there may have written it: a stamp is never
 * trusted to be anything but a hint what to compare with, and a bad one only costs a build. */

#include "freshness/stamp.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/escape.h"
#include "tree/contain.h"

#define STAMP_MAGIC "bootkeep-stamp 1"
#define STAMP_SIZE_MAX (INT64_C(64) * 1024 * 1024)
#define STAMP_LINES_MAX (1024U * 1024U)
#define STAMP_LINE_MAX (128 * 1024) /* more than any of ours: a few escaped paths */
#define STAMP_TEMPORARY ".stamp.tmp"
#define STAMP_SUFFIX ".stamp"
#define FILE_KEY "file"

Stamp *stamp_new(void) {
        return calloc(1, sizeof(Stamp));
}

Stamp *stamp_free(Stamp *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_lines; i++)
                free(s->lines[i].key); /* the value lies behind it */
        free(s->lines);
        free(s);
        return NULL;
}

/* Takes LINE, "key value": the space becomes the NUL between them. */
static int stamp_take(Stamp *s, char *line) {
        _cleanup_free_ char *owned = line;
        size_t n = strcspn(owned, " ");
        if (n == 0 || !owned[n] || !owned[n + 1])
                return error_origin(-EBADMSG);
        if (grow(s->lines, s->n_lines) < 0)
                return error_origin(-ENOMEM);
        owned[n] = 0;
        s->lines[s->n_lines++] = (StampLine){.key = owned, .value = owned + n + 1};
        (void) TAKE_PTR(owned);
        return 0;
}

int stamp_add(Stamp *s, const char *key, const char *format, ...) {
        _cleanup_free_ char *value = NULL, *line = NULL;
        va_list ap;
        va_start(ap, format);
        int r = vstrprintf(&value, format, ap);
        va_end(ap);
        if (r >= 0)
                r = strprintf(&line, "%s %s", key, value);
        return r < 0 ? r : stamp_take(s, TAKE_PTR(line));
}

const char *stamp_next(const Stamp *s, const char *key, size_t *i) {
        while (*i < s->n_lines) {
                const StampLine *line = &s->lines[(*i)++];
                if (streq(line->key, key))
                        return line->value;
        }
        return NULL;
}

const char *stamp_get(const Stamp *s, const char *key) {
        size_t i = 0;
        return stamp_next(s, key, &i);
}

static bool key_is_valid(const char *line) {
        size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz-");
        return n > 0 && line[n] == ' ' && line[n + 1];
}

/* One line without its newline. 0 at the end; -EBADMSG: cut short, too long, or with a NUL in it. */
static int read_line(FILE *f, char line[static STAMP_LINE_MAX]) {
        if (!fgets(line, STAMP_LINE_MAX, f))
                return feof(f) ? 0 : error_origin(-EIO);
        char *end = strchr(line, '\n');
        if (!end)
                return error_origin(-EBADMSG);
        *end = 0;
        return 1;
}

static int stamp_parse(FILE *f, bool head, Stamp **ret) {
        _cleanup_(stamp_freep) Stamp *s = stamp_new();
        _cleanup_free_ char *line = malloc(STAMP_LINE_MAX);
        if (!s || !line)
                return error_origin(-ENOMEM);
        int r = read_line(f, line);
        if (r <= 0 || !streq(line, STAMP_MAGIC))
                return r < 0 ? r : error_origin(-EBADMSG);
        for (;;) {
                r = read_line(f, line);
                if (r < 0)
                        return r;
                if (r == 0 || (head && startswith(line, FILE_KEY " ")))
                        break;
                if (!key_is_valid(line) || s->n_lines >= STAMP_LINES_MAX)
                        return error_origin(-EBADMSG);
                char *copy = strdup(line);
                if (!copy)
                        return error_origin(-ENOMEM);
                r = stamp_take(s, copy);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

static int open_stamp(int dirfd, const char *name, FILE **ret) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF, file = -EBADF;
        struct stat st;
        int r = strprintf(&path, "/%s", name);
        if (r >= 0)
                r = contain_open_nolinks(dirfd, path, O_PATH | O_NOFOLLOW, 0, &fd);
        if (r >= 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r >= 0 && (!S_ISREG(st.st_mode) || st.st_size > STAMP_SIZE_MAX))
                r = -EBADMSG;
        if (r >= 0)
                r = contain_reopen(fd, O_RDONLY, &file);
        if (r < 0)
                return r;
        *ret = fdopen(file, "re");
        if (!*ret)
                return error_origin(-errno);
        (void) TAKE_FD(file);
        return 0;
}

static int stamp_load(int dirfd, const char *name, bool head, Stamp **ret) {
        _cleanup_fclose_ FILE *f = NULL;
        int r = open_stamp(dirfd, name, &f);
        return r < 0 ? r : stamp_parse(f, head, ret);
}

int stamp_read(int dirfd, const char *name, Stamp **ret) {
        return stamp_load(dirfd, name, false, ret);
}

int stamp_read_head(int dirfd, const char *name, Stamp **ret) {
        return stamp_load(dirfd, name, true, ret);
}

static void print_lines(FILE *f, const Stamp *s, bool files) {
        for (size_t i = 0; i < s->n_lines; i++)
                if (streq(s->lines[i].key, FILE_KEY) == files)
                        (void) fprintf(f, "%s %s\n", s->lines[i].key, s->lines[i].value);
}

/* Errors of the stream stay with it until it is flushed. */
static int write_temporary(int dirfd, const Stamp *s) {
        _cleanup_close_ int fd =
                openat(dirfd, STAMP_TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return error_origin(-errno);
        _cleanup_fclose_ FILE *f = fdopen(fd, "we");
        if (!f)
                return error_origin(-errno);
        (void) TAKE_FD(fd);
        (void) fprintf(f, "%s\n", STAMP_MAGIC);
        print_lines(f, s, false);
        print_lines(f, s, true);
        if (fflush(f) < 0 || ferror(f) || fsync(fileno(f)) < 0)
                return errno > 0 ? error_origin(-errno) : error_origin(-EIO);
        return 0;
}

int stamp_write(int dirfd, const char *name, const Stamp *s) {
        /* one of an interrupted run: builds of one volume exclude each other, so it is nobody's */
        if (unlinkat(dirfd, STAMP_TEMPORARY, 0) < 0 && errno != ENOENT)
                return error_origin(-errno);
        int r = write_temporary(dirfd, s);
        if (r >= 0 && renameat(dirfd, STAMP_TEMPORARY, dirfd, name) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(dirfd, STAMP_TEMPORARY, 0);
                return r;
        }
        return fsync(dirfd) < 0 ? error_origin(-errno) : 0;
}

int stamp_name(const char *name, const char *instance, char **ret) {
        _cleanup_free_ char *escaped = instance ? escape_word(instance) : strdup(""), *whole = NULL;
        if (!escaped)
                return error_origin(-ENOMEM);
        for (char *p = escaped; *p; p++)
                if (*p == '/')
                        *p = '\\'; /* never in the name of a file; here to be one name whatever comes */
        int r = strprintf(&whole, "%s%s%s", name, instance ? "@" : "", escaped);
        if (r < 0)
                return r;
        size_t room = NAME_MAX - strlen(STAMP_SUFFIX);
        if (strlen(whole) <= room)
                return strprintf(ret, "%s%s", whole, STAMP_SUFFIX);
        return strprintf(ret, "%.*s-%016llx%s", (int) (room - 17), whole,
                         (unsigned long long) XXH3_64bits(whole, strlen(whole)), STAMP_SUFFIX);
}
