/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A stamp: text, first line `bootkeep-stamp 1`, then one `key value` a line in order; a key may come again.
 * Values are escaped as in escape.h, so a path with any byte in it is one word. What the keys mean is for
 * freshness.h (caches) and builder/transaction/recordlines.h to say. Read leniently: whatever is wrong with
 * one, it means "stale". */

#include "base/util.h"

/* What is larger is no stamp of ours; we write none that is. */
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
        size_t files_left_out; /* for which stamp_add_file() had no room */
} Stamp;

Stamp *stamp_new(void);
Stamp *stamp_free(Stamp *s);
DEFINE_CLEANUP(Stamp *, stamp_free);

/* Appends a line. The format must give escaped words. -EBADMSG: it would not come back as it is. */
int stamp_add(Stamp *s, const char *key, const char *format, ...) _printf_(3, 4);
/* Appends a line of key `file`, unless there are as many as a stamp can hold: they only serve to explain. */
int stamp_add_file(Stamp *s, const char *format, ...) _printf_(2, 3);
/* The value of the first line KEY, or NULL. */
const char *stamp_get(const Stamp *s, const char *key);
/* The next line KEY at or after *I (start with 0), or NULL; *I is moved past it. */
const char *stamp_next(const Stamp *s, const char *key, size_t *i);

/* Reads NAME in the directory DIRFD (not through a link). *ROOM, unless ROOM is NULL, is how many bytes may
 * still be read, and is lessened by what was. -ENOENT: none; -EBADMSG: not a stamp that we know, or larger
 * than one may be; -EFBIG: *ROOM is not enough. */
int stamp_read(int dirfd, const char *name, size_t *room, Stamp **ret);
/* Only up to the first line of key `file`: enough to compare fingerprints. */
int stamp_read_head(int dirfd, const char *name, size_t *room, Stamp **ret);
/* Replaces NAME atomically: write, fsync, rename, fsync of the directory. Lines of key `file` are written
 * after all others, so that they are not in the head, and only as many as there is room for; a line `more`
 * says how many were left out. -EFBIG: the others alone are too many. One writer for a directory at a time.
 */
int stamp_write(int dirfd, const char *name, const Stamp *s);

/* `NAME.stamp` or `NAME@INSTANCE.stamp`, the instance escaped so that it is one file name of at most 255
 * bytes (a longer one ends in its hash). INSTANCE may be NULL. */
int stamp_name(const char *name, const char *instance, char **ret);
