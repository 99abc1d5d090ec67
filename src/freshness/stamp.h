/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A stamp: text, first line `bootkeep-stamp 1`, then one `key value` a line in order; a key may come again.
 * Values are escaped as in escape.h, so a path with any byte in it is one word. What the keys mean is for
 * freshness.h (caches) and helper-stamp of the build to say. Read leniently: whatever is wrong with one, it
 * means "stale". */

#include "base/util.h"

typedef struct StampLine {
        char *key;
        char *value; /* as in the file: escaped words separated by single spaces */
} StampLine;

typedef struct Stamp {
        StampLine *lines;
        size_t n_lines;
} Stamp;

Stamp *stamp_new(void);
Stamp *stamp_free(Stamp *s);
DEFINE_CLEANUP(Stamp *, stamp_free);

/* Appends a line. The format must give escaped words. */
int stamp_add(Stamp *s, const char *key, const char *format, ...) _printf_(3, 4);
/* The value of the first line KEY, or NULL. */
const char *stamp_get(const Stamp *s, const char *key);
/* The next line KEY at or behind *I (start with 0), or NULL; *I is moved behind it. */
const char *stamp_next(const Stamp *s, const char *key, size_t *i);

/* Reads NAME in the directory DIRFD (not through a link). -ENOENT: none; -EBADMSG: not a stamp that we know,
 * or over 64 MiB. */
int stamp_read(int dirfd, const char *name, Stamp **ret);
/* Only up to the first line of key `file`: enough to compare fingerprints. */
int stamp_read_head(int dirfd, const char *name, Stamp **ret);
/* Replaces NAME atomically: write, fsync, rename, fsync of the directory. Lines of key `file` are written
 * behind all others, so that they are not in the head. One writer for a directory at a time. */
int stamp_write(int dirfd, const char *name, const Stamp *s);

/* `NAME.stamp` or `NAME@INSTANCE.stamp`, the instance escaped so that it is one file name of at most 255
 * bytes (a longer one ends in its hash). */
int stamp_name(const char *name, const char *instance, char **ret);
