/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a path of a builder leads to, and which symbolic links it leads through: followed here part by part,
 * in the mount namespace of the builder and from the root directory of the process that named it. Only what
 * is on the volume's own mount is told. */

#include <sys/stat.h>

#include "base/util.h"

/* The mount namespace of the builder. */
typedef struct LookupTree {
        int root;           /* O_PATH: its root directory */
        const char *volume; /* where the volume is below that: "/", "/mnt" */
        struct statx stx;   /* of that place: its mount and device */
} LookupTree;

typedef struct LookupName {
        const char *top;  /* the root directory of the process, as a path below the root of the tree */
        const char *base; /* where a relative path begins, likewise */
        const char *path;
        bool follow; /* if it ends at a link */
} LookupName;

/* Told of each thing on the volume, as a path within it. KIND: TRACE_LINK for a link; TRACE_LOOKED for the
 * end, if it is no link; TRACE_ABSENT if there is none. STX: of it; of what it is missing from. An error ends
 * it all. */
typedef struct LookupTell {
        int (*tell)(const char *path, unsigned kind, const struct statx *stx, void *userdata);
        void *userdata;
} LookupTell;

/* Opens, as the root of a tree, what VOLUME is below ROOT. Both are borrowed. */
int lookuppath_open(int root, const char *volume, LookupTree *ret);

/* Returns the error that TELL returned, or 0: what cannot be followed (a loop, a path too long, a link of
 * /proc) is left to the builder, to which it happens as well. *RET: the end, zero if there is none. */
int lookuppath_follow(const LookupTree *tree, const LookupName *name, const LookupTell *tell,
                      struct statx *ret);

/* Is END the volume, or a directory that its mount is somewhere below? */
bool lookuppath_is_above_volume(const LookupTree *tree, const struct statx *end);
