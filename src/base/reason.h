/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why something is stale, in words for people. The code that finds a difference passes on facts: what
 * differs, about which path, and a detail; the code that shows them makes the sentence. The words of both are
 * made here, so that scan, build, daemon and bootkeepctl call the same thing by the same name. */

#include <sys/stat.h>

#include "base/util.h"

typedef enum Difference {
        DIFFERENCE_NONE,
        DIFFERENCE_NEVER,      /* no stamp, or none that we understand */
        DIFFERENCE_CHANGED,    /* the path differs; the detail says in what and since when */
        DIFFERENCE_NEW,        /* it did not exist before */
        DIFFERENCE_GONE,       /* it existed before; the detail says by when it was gone */
        DIFFERENCE_MISSING,    /* it is needed and does not exist */
        DIFFERENCE_UNREADABLE, /* it cannot be examined; the detail says why */
        DIFFERENCE_BUILDER,    /* the builder of that name changed */
        DIFFERENCE_FILESYSTEM, /* the helper was formatted or replaced */
        _DIFFERENCE_MAX,
} Difference;

const char *difference_to_string(Difference d); /* the word in records: "never", "changed", "new", … */

/* What changed about a file. */
typedef enum Change {
        CHANGE_SIZE = 1 << 0,
        CHANGE_MTIME = 1 << 1,
        CHANGE_MODE = 1 << 2,
        CHANGE_OWNER = 1 << 3,
        CHANGE_REPLACED = 1 << 4, /* another inode, or another type of file */
        CHANGE_TARGET = 1 << 5,   /* of a symbolic link */
        CHANGE_CTIME = 1 << 6,
        CHANGE_NAMES = 1 << 7, /* of what is in a folder */
        _CHANGE_ALL = (1 << 8) - 1,
} Change;

/* What takes the place of the path where the difference is not that of one file. */
#define REASON_LIST_OF_SOURCES "list of sources"
#define REASON_LIST_OF_COPIES "list of copies"
#define REASON_BEYOND_STAMP "one of the files that the stamp has no room for"
#define REASON_LEARNED_LIST "learned list"
#define REASON_SOMETHING "something"
#define REASON_DETAIL_NO_ROOM "the stamps are too large to say what" /* a detail */

#define REASON_DETAIL_DAMAGED "damaged"          /* likewise */
#define REASON_DETAIL_RACED "while it was built" /* likewise */
#define REASON_DETAIL_HANDED_OVER "another program built it"

/* The details. WHEN may be NULL: not known. Times are local; a program that gives up the right to read the
 * time zone calls tzset() first. *RET is NULL if there is nothing to say. 0 or -ENOMEM. */

/* CHANGES is a set of Change, 0: not known: "size, mtime, 2026-11-23 17:20:33". The most telling come first,
 * at most three; ctime is shown if there is nothing else. */
int reason_detail_changed(unsigned changes, const struct statx_timestamp *when, char **ret);
/* For an output: "since it was built: size, mtime, 2026-11-23 17:20:33". */
int reason_detail_rebuilt(unsigned changes, const struct statx_timestamp *when, char **ret);
int reason_detail_gone(const struct statx_timestamp *when, char **ret); /* "by 2026-11-23 17:20:33" */
int reason_detail_unlisted(const char *list, char **ret); /* of the two above: "from the list of sources" */
const char *reason_detail_unreadable(int r);              /* "too many symbolic links" */

/* What a record says about one difference. Borrowed. */
typedef struct Reason {
        const char *path;   /* or NULL or "-": none */
        const char *what;   /* difference_to_string(), or a word of a later version */
        const char *detail; /* likewise */
} Reason;

/* "/etc/x changed (size)"; "up to date" */
int reason_describe(const Reason *reason, char **ret);

/* That the needed file PATH could not be examined, because of R: "/etc/x is missing", "/etc/x cannot be read
 * (Input/output error)". */
int reason_describe_error(const char *path, int r, char **ret);
