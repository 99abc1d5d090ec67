/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A stamp: text, with the first line `bootkeep-stamp 1`, then one `key value` per line in order; keys may be
 * repeated. Values are escaped as in escape.h, so a path is one word whatever bytes it contains. The meaning
 * of the keys is defined by freshness.h (caches) and freshness/recordlines.h. Read leniently:
 * whatever is wrong with a stamp, it means "stale". */

#include "base/util.h"

/* Anything larger is not a stamp of ours; we never write one. */
#define STAMP_SIZE_MAX (4U * 1024U * 1024U)
#define STAMP_LINES_MAX (64U * 1024U)

typedef struct StampLine {
        char *key;
        char *value; /* as in the file: escaped words separated by single spaces */
} StampLine;

typedef struct Stamp {
        StampLine *lines;
        size_t n_lines;
        size_t size;           /* of the lines, as in the file */
        size_t files_left_out; /* that stamp_add_file() had no room for */
        bool list_left_out;    /* there was no room to read its learned list */
} Stamp;

Stamp *stamp_new(void);
Stamp *stamp_free(Stamp *s);
DEFINE_CLEANUP(Stamp *, stamp_free);

/* Appends a line. The format must produce escaped words. -EBADMSG: it would not be read back unchanged. */
int stamp_add(Stamp *s, const char *key, const char *format, ...) _printf_(3, 4);
/* Appends a line with the key `file`, unless there are as many as a stamp can hold: they only serve to
 * explain. */
int stamp_add_file(Stamp *s, const char *format, ...) _printf_(2, 3);
/* Appends WORD to the value of line I. */
int stamp_extend(Stamp *s, size_t i, const char *word);
/* The value of the first line KEY, or NULL. */
const char *stamp_get(const Stamp *s, const char *key);
/* The value of the first line KEY that begins with START, or NULL. */
const char *stamp_find(const Stamp *s, const char *key, const char *start);
/* The next line KEY at or after *I (start with 0), or NULL; *I is moved past it. */
const char *stamp_next(const Stamp *s, const char *key, size_t *i);

/* Reads NAME in the directory DIRFD (not through a link). *ROOM, unless ROOM is NULL, is the number of bytes
 * that may still be read, and is reduced by those read. -ENOENT: none; -EBADMSG: not a stamp that we know, or
 * larger than allowed; -EFBIG: *ROOM is not enough. */
int stamp_read(int dirfd, const char *name, size_t *room, Stamp **ret);
/* Only up to the first line with the key `file`: enough to compare fingerprints. */
int stamp_read_head(int dirfd, const char *name, size_t *room, Stamp **ret);
/* The same; the learned list (from its line `learned` on) counts against *LEARNED instead of *ROOM. What does
 * not fit is left out as a whole, and then *LEARNED is 0. */
int stamp_read_list(int dirfd, const char *name, size_t *room, size_t *learned, Stamp **ret);
/* Replaces NAME atomically: write, fsync, rename, fsync of the directory. Lines with the key `file` are
 * written after all others, so that they are not in the head, and only as many as there is room for; a line
 * `more` says how many were left out. -EFBIG: the others alone are too many. One writer per directory at a
 * time. */
int stamp_write(int dirfd, const char *name, const Stamp *s);

/* `NAME.stamp` or `NAME@INSTANCE.stamp`, with the instance escaped so that it is a single file name of at
 * most 255 bytes (a longer one ends with its hash). INSTANCE may be NULL. */
int stamp_name(const char *name, const char *instance, char **ret);
