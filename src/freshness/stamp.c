/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Stamps. The file is on the volume, so anybody who can write there may have written it: a stamp is never
 * more than a hint what to compare with, and a bad one only costs a build. */

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
#define STAMP_LINE_MAX (128 * 1024) /* more than any of ours: a few escaped paths */
#define STAMP_TEMPORARY ".stamp.tmp"
#define STAMP_SUFFIX ".stamp"
#define FILE_KEY "file"
#define MORE_KEY "more"
#define LEARNED_KEY "learned"
#define MORE_SIZE_MAX (sizeof(MORE_KEY) + 3 * sizeof(size_t) + 1) /* of its line */

Stamp *stamp_new(void) {
        return calloc(1, sizeof(Stamp));
}

Stamp *stamp_free(Stamp *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_lines; i++)
                free(s->lines[i].key); /* its value is in the same memory */
        free(s->lines);
        free(s);
        return NULL;
}

/* As it is in the file, with space and newline. */
static size_t line_size(const StampLine *line) {
        return strlen(line->key) + strlen(line->value) + 2;
}

/* Takes over LINE, "key value": the space becomes the NUL between them. */
static int stamp_take_line(Stamp *s, char *line) {
        _cleanup_free_ char *owned = line;
        size_t n = strcspn(owned, " ");
        assert(owned[n] == ' ');
        if (n == 0 || !owned[n + 1])
                return error_origin(-EBADMSG);
        if (grow(s->lines, s->n_lines) < 0)
                return error_origin(-ENOMEM);
        owned[n] = 0;
        StampLine taken = {.key = owned, .value = owned + n + 1};
        s->lines[s->n_lines++] = taken;
        s->size += line_size(&taken);
        (void) TAKE_PTR(owned);
        return 0;
}

_printf_(3, 0) static int stamp_add_formatted(Stamp *s, const char *key, const char *format, va_list ap) {
        _cleanup_free_ char *value = NULL, *line = NULL;
        int r = vstrprintf(&value, format, ap);
        if (r >= 0)
                r = strprintf(&line, "%s %s", key, value);
        return r < 0 ? r : stamp_take_line(s, TAKE_PTR(line));
}

int stamp_add(Stamp *s, const char *key, const char *format, ...) {
        va_list ap;
        assert(s && key);
        va_start(ap, format);
        int r = stamp_add_formatted(s, key, format, ap);
        va_end(ap);
        return r;
}

int stamp_add_file(Stamp *s, const char *format, ...) {
        va_list ap;
        assert(s);
        if (s->size >= STAMP_SIZE_MAX || s->n_lines >= STAMP_LINES_MAX) {
                s->files_left_out++;
                return 0;
        }
        va_start(ap, format);
        int r = stamp_add_formatted(s, FILE_KEY, format, ap);
        va_end(ap);
        return r;
}

int stamp_extend(Stamp *s, size_t i, const char *word) {
        char *text = NULL;
        assert(s && i < s->n_lines && word);
        StampLine *line = &s->lines[i];
        int r = strprintf(&text, "%s %s %s", line->key, line->value, word);
        if (r < 0)
                return r;
        size_t n = strlen(line->key);
        s->size -= line_size(line);
        free(line->key);
        text[n] = 0;
        *line = (StampLine){.key = text, .value = text + n + 1};
        s->size += line_size(line);
        return 0;
}

const char *stamp_next(const Stamp *s, const char *key, size_t *i) {
        assert(s && key && i);
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

const char *stamp_find(const Stamp *s, const char *key, const char *start) {
        assert(start);
        const char *value;
        for (size_t i = 0; (value = stamp_next(s, key, &i));)
                if (startswith(value, start))
                        return value;
        return NULL;
}

/* Whether there is one is stamp_take_line()'s question. */
static bool key_is_valid(const char *line) {
        return line[strspn(line, "abcdefghijklmnopqrstuvwxyz-")] == ' ';
}

/* How much of a stamp is read. */
typedef struct StampReading {
        bool head;
        size_t *room, *learned;
} StampReading;

typedef struct StampReader {
        FILE *file;
        bool head;       /* only what precedes the files */
        size_t *room;    /* see stamp_read() */
        size_t *learned; /* likewise of the learned list; NULL: its lines count as all others do */
        bool in_list;    /* the line is of the learned list */
        char line[STAMP_LINE_MAX];
} StampReader;

static StampReader *stamp_reader_free(StampReader *reader) {
        if (!reader)
                return NULL;
        fclosep(&reader->file);
        free(reader);
        return NULL;
}
DEFINE_CLEANUP(StampReader *, stamp_reader_free);

/* One line without its newline. 0 at the end; -EBADMSG: truncated, too long, or containing a NUL. */
static int stamp_read_line(StampReader *reader) {
        if (!fgets(reader->line, sizeof(reader->line), reader->file))
                return feof(reader->file) ? 0 : error_origin(-EIO);
        char *end = strchr(reader->line, '\n');
        if (!end)
                return error_origin(-EBADMSG);
        *end = 0;
        size_t n = (size_t) (end - reader->line) + 1;
        reader->in_list = reader->in_list || startswith(reader->line, LEARNED_KEY " ");
        size_t *room = reader->learned && reader->in_list ? reader->learned : reader->room;
        if (room && n > *room)
                return error_origin(-EFBIG);
        if (room)
                *room -= n;
        return 1;
}

/* There is no room for the rest of the learned list: none of it is used. Nothing of the head is behind it. */
static void stamp_leave_out_list(Stamp *s, size_t *room) {
        *room = 0;
        for (size_t i = 0; i < s->n_lines; i++) {
                if (!streq(s->lines[i].key, LEARNED_KEY))
                        continue;
                for (size_t k = i; k < s->n_lines; k++) {
                        s->size -= line_size(&s->lines[k]);
                        free(s->lines[k].key);
                }
                s->n_lines = i;
        }
        s->list_left_out = true;
}

/* A line was read, or the end, or R says that there was none. 0: there is nothing more to read. */
static int stamp_go_on(StampReader *reader, int r, Stamp *s) {
        if (r == -EFBIG && reader->learned && reader->in_list) {
                stamp_leave_out_list(s, reader->learned);
                return 0;
        }
        return r > 0 && reader->head && startswith(reader->line, FILE_KEY " ") ? 0 : r;
}

static int stamp_parse(StampReader *reader, Stamp **ret) {
        _cleanup_(stamp_freep) Stamp *s = stamp_new();
        if (!s)
                return error_origin(-ENOMEM);
        int r = stamp_read_line(reader);
        if (r <= 0 || !streq(reader->line, STAMP_MAGIC))
                return r < 0 ? r : error_origin(-EBADMSG);
        for (;;) {
                r = stamp_go_on(reader, stamp_read_line(reader), s);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                /* it may have grown since it was opened */
                if (!key_is_valid(reader->line) || s->n_lines >= STAMP_LINES_MAX || s->size > STAMP_SIZE_MAX)
                        return error_origin(-EBADMSG);
                char *copy = strdup(reader->line);
                if (!copy)
                        return error_origin(-ENOMEM);
                r = stamp_take_line(s, copy);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

static int stamp_open(int dirfd, const char *name, FILE **ret) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF, file = -EBADF;
        struct stat st;
        int r = strprintf(&path, "/%s", name);
        if (r >= 0)
                r = contain_open_nolinks(dirfd, path, O_PATH | O_NOFOLLOW, 0, &fd);
        if (r >= 0 && fstat(fd, &st) < 0)
                r = error_origin(-errno);
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

/* LIKE says how. */
static int stamp_load(int dirfd, const char *name, const StampReading *like, Stamp **ret) {
        _cleanup_(stamp_reader_freep) StampReader *reader = malloc(sizeof(*reader));
        assert(dirfd >= 0 && name && ret);
        if (!reader)
                return error_origin(-ENOMEM);
        reader->file = NULL;
        reader->head = like->head;
        reader->room = like->room;
        reader->learned = like->learned;
        reader->in_list = false;
        int r = stamp_open(dirfd, name, &reader->file);
        return r < 0 ? r : stamp_parse(reader, ret);
}

int stamp_read(int dirfd, const char *name, size_t *room, Stamp **ret) {
        return stamp_load(dirfd, name, &(StampReading){.room = room}, ret);
}

int stamp_read_head(int dirfd, const char *name, size_t *room, Stamp **ret) {
        return stamp_load(dirfd, name, &(StampReading){.head = true, .room = room}, ret);
}

int stamp_read_list(int dirfd, const char *name, size_t *room, size_t *learned, Stamp **ret) {
        const StampReading reading = {.head = true, .room = room, .learned = learned};
        return stamp_load(dirfd, name, &reading, ret);
}

/* How many of the lines of files are written, and how many are not. */
typedef struct FileLines {
        size_t written, left_out;
} FileLines;

static int stamp_fit(const Stamp *s, FileLines *ret) {
        size_t room = STAMP_SIZE_MAX, lines = STAMP_LINES_MAX;
        size_t taken = sizeof(STAMP_MAGIC) + MORE_SIZE_MAX, n_others = 1, n_files = 0;
        for (size_t i = 0; i < s->n_lines; i++)
                if (!streq(s->lines[i].key, FILE_KEY)) {
                        taken += line_size(&s->lines[i]);
                        n_others++;
                } else
                        n_files++;
        if (taken > room || n_others > lines)
                return error_origin(-EFBIG);
        *ret = (FileLines){.left_out = s->files_left_out + n_files};
        for (size_t i = 0; i < s->n_lines; i++) {
                if (!streq(s->lines[i].key, FILE_KEY))
                        continue;
                taken += line_size(&s->lines[i]);
                if (taken > room || n_others + ret->written >= lines)
                        break;
                ret->written++;
                ret->left_out--;
        }
        return 0;
}

static void print_stamp_line(FILE *f, const StampLine *line) {
        (void) fprintf(f, "%s %s\n", line->key, line->value);
}

static void print_stamp(FILE *f, const Stamp *s, const FileLines *files) {
        size_t n = 0;
        (void) fprintf(f, "%s\n", STAMP_MAGIC);
        for (size_t i = 0; i < s->n_lines; i++)
                if (!streq(s->lines[i].key, FILE_KEY))
                        print_stamp_line(f, &s->lines[i]);
        if (files->left_out > 0)
                (void) fprintf(f, "%s %zu\n", MORE_KEY, files->left_out);
        for (size_t i = 0; n < files->written; i++) {
                assert(i < s->n_lines);
                if (!streq(s->lines[i].key, FILE_KEY))
                        continue;
                print_stamp_line(f, &s->lines[i]);
                n++;
        }
}

/* Errors of the stream are kept until it is flushed. */
static int write_temporary(int dirfd, const Stamp *s, const FileLines *files) {
        _cleanup_close_ int fd =
                openat(dirfd, STAMP_TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return error_origin(-errno);
        _cleanup_fclose_ FILE *f = fdopen(fd, "we");
        if (!f)
                return error_origin(-errno);
        (void) TAKE_FD(fd);
        print_stamp(f, s, files);
        if (fflush(f) < 0 || fsync(fileno(f)) < 0)
                return error_origin(-errno);
        return ferror(f) ? error_origin(-EIO) : 0; /* one that a later write concealed */
}

int stamp_write(int dirfd, const char *name, const Stamp *s) {
        FileLines files;
        assert(dirfd >= 0 && name && s);
        int r = stamp_fit(s, &files);
        if (r < 0)
                return r;
        /* left by an interrupted run: builds of one volume exclude each other, so it is not in use */
        if (unlinkat(dirfd, STAMP_TEMPORARY, 0) < 0 && errno != ENOENT)
                return error_origin(-errno);
        r = write_temporary(dirfd, s, &files);
        if (r >= 0 && renameat(dirfd, STAMP_TEMPORARY, dirfd, name) < 0)
                r = error_origin(-errno);
        if (r < 0) {
                (void) unlinkat(dirfd, STAMP_TEMPORARY, 0);
                return r;
        }
        return fsync(dirfd) < 0 ? error_origin(-errno) : 0;
}

int stamp_name(const char *name, const char *instance, char **ret) {
        assert(name && *name && ret);
        _cleanup_free_ char *escaped = instance ? escape_word(instance) : strdup(""), *whole = NULL;
        if (!escaped)
                return error_origin(-ENOMEM);
        for (char *p = escaped; *p; p++)
                if (*p == '/')
                        *p = '\\'; /* never in the name of a file; here so that it is one name in any case */
        int r = strprintf(&whole, "%s%s%s", name, instance ? "@" : "", escaped);
        if (r < 0)
                return r;
        size_t room = NAME_MAX - strlen(STAMP_SUFFIX);
        if (strlen(whole) <= room)
                return strprintf(ret, "%s%s", whole, STAMP_SUFFIX);
        return strprintf(ret, "%.*s-%016llx%s", (int) (room - 17), whole,
                         (unsigned long long) XXH3_64bits(whole, strlen(whole)), STAMP_SUFFIX);
}
