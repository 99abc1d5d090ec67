/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a builder was seen to make a cache from, as its stamp says it. The lines come after those of the
 * outputs:
 *   learned opens|lookups            it was learned by this
 *   learned from INSTANCE            it was taken from the list of another instance
 *   learned no WHY                   nothing was
 *   learned wanted                   nothing was, because another program built it: it is built once more
 *   raced PATH                       it changed while the builder ran
 *   read PATH DESCRIPTION CONTENT    a file; the fingerprint of its content, or "-" for a large one
 *   list PATH HEX                    a folder, and the fingerprint of its names
 *   link PATH TARGET                 a symbolic link on the way to something of it
 *   look PATH DESCRIPTION            it was only looked at
 *   miss PATH                        it was looked for, and was not there
 *   skip PATH WHY                    it was seen, and does not count; for people
 * Anybody who can write to the volume may have written them: they are bounded, and name paths within the
 * volume or nothing. */

#include "freshness/stamp.h"

#define LEARNED_NO_CONTENT "-"

typedef enum LearnedKind {
        LEARNED_LIST, /* first: it is the folder of all others */
        LEARNED_READ,
        LEARNED_LINK,
        LEARNED_LOOK,
        LEARNED_MISS,
        _LEARNED_KIND_MAX,
} LearnedKind;

const char *learned_kind_to_string(LearnedKind kind); /* the key of its lines */

typedef struct LearnedItem {
        LearnedKind kind;
        char **words; /* path, and what else is in its line */
} LearnedItem;

typedef struct Learned {
        LearnedItem *items; /* by folder, as folders_compare() has it, then by name */
        size_t n_items;
        bool known;    /* the stamp says whether anything was learned: it was built since we can */
        bool complete; /* something was, and nothing of it is damaged */
        bool wanted;   /* nothing was, and a build of ours will do so */
        char *how;     /* "opens", "lookups"; "from"; "no" or "wanted" */
        char *detail;  /* the instance, or why not; NULL: neither */
        char *raced;   /* the first that changed while the builder ran; NULL: none */
        bool damaged;  /* a line is not one of ours */
} Learned;

#define LEARNED_NULL ((Learned){})
void learned_done(Learned *l);

/* Reads the lines of STAMP. What is wrong with them is in `damaged`; -ENOMEM. */
int learned_read(const Stamp *stamp, Learned *ret);

/* Puts the items in order. */
void learned_sort(Learned *l);

/* Why nothing, or not all, is known of what was learned, for people; NULL: LIST is as it should be. HEAD is
 * the stamp that it was read from. */
const char *learned_why_not(const Stamp *head, const Learned *list);

/* The length of the folder of PATH in it: of "/a/b" 2, of "/a" 1. */
size_t learned_folder_length(const char *path);

/* The item KIND of PATH, or NULL. */
const LearnedItem *learned_find(const Learned *l, LearnedKind kind, const char *path);
