/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "manifest/manifest.h"
#include "tree/fingerprint.h"

/* The files that a helper carries, or is to carry: what the stamp keeps and what the plan compares. */
typedef struct HelperFile {
        CopyRole role;
        char *to;            /* as the manifest says */
        char *path;          /* the name on the helper: `to`, or `to-XXXXXXXX` of its content */
        Fingerprint content; /* of what stands on the helper; entries: the rewritten, padded text */
        uint64_t size;
        char *source;      /* on the volume, links resolved */
        char *description; /* of the source, see fingerprint_describe, when the content was taken */
        char *boot;        /* id of the boot during which this came to stand on the helper */
        char *text;        /* of an entry that is to be written, SIZE bytes; else NULL */
        bool foreign; /* somebody else wrote it: it was found to be what is wanted, and is never removed */
} HelperFile;

typedef struct HelperSet {
        HelperFile *items; /* by role, then document order, then path */
        size_t n;
} HelperSet;

#define HELPER_SET_NULL ((HelperSet){})
void helper_set_done(HelperSet *s);

/* Takes what FILE holds, also on failure, and leaves it empty. -ENOMEM. */
int helper_set_add(HelperSet *s, HelperFile *file);
void helper_file_done(HelperFile *f);

/* Search by name on the helper (or by `to`), without case as FAT compares names. Borrows from the set, which
 * must stay as it is meanwhile. */
typedef enum HelperKey {
        HELPER_KEY_PATH,
        HELPER_KEY_TO,
} HelperKey;

typedef struct HelperIndex {
        const HelperFile **files;
        size_t n;
        HelperKey key;
} HelperIndex;

#define HELPER_INDEX_NULL ((HelperIndex){})
int helper_index_init(HelperIndex *x, const HelperSet *s, HelperKey key); /* -ENOMEM */
void helper_index_done(HelperIndex *x);
const HelperFile *helper_index_find(const HelperIndex *x, const char *name); /* NULL: none */

/* Does one of ENTRIES, that has its text, name the file PATH? */
bool helper_set_names(const HelperSet *entries, const char *path);

/* Gives the files of SET, whose entries hold the text as it is on the volume, their names on the helper: a
 * required file that an entry names is called by its content, and the entry's text says so and is padded.
 * OLD: what the helper carries now, so that a name is never given to two contents.
 * -EEXIST: two files want one name; -EINVAL, -EFBIG: an entry is no text; *RETERR says which. */
int helper_set_name(HelperSet *set, const HelperSet *old, char **reterr);
