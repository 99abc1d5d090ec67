/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A /tmp and a /var/tmp of its own for one run of a builder. They are folders in what would be its /var/tmp:
 * builders put some hundred megabytes there, which as a tmpfs would be memory that small machines do not
 * have. They go with the end of the builder. If we are killed, the builder's nanny (spawn.c) removes them,
 * and what remains after a power cut, or if both are killed, is removed before the next builder starts. */

#include "base/util.h"

enum { BUILDER_TMP, BUILDER_VAR_TMP, BUILDER_TMPS };

typedef struct BuilderTmp {
        int base;                 /* /var/tmp, in which the folder is; -EBADF: there is none */
        int folder;               /* with a lock, as long as anybody uses it */
        char name[40];            /* of the folder */
        int mounts[BUILDER_TMPS]; /* detached; -EBADF: not wanted */
} BuilderTmp;

#define BUILDER_TMP_NULL ((BuilderTmp){.base = -EBADF, .folder = -EBADF, .mounts = {-EBADF, -EBADF}})

typedef struct BuilderTmpNeed {
        int root;           /* the root directory that the builder is going to see, in our mount namespace */
        const char *place;  /* where the volume is mounted there; NULL: there */
        char *const *words; /* of its command */
} BuilderTmpNeed;

/* What is named by one of the words, and the volume, is not covered. Without a /var/tmp that can be written
 * the builder gets none. */
void buildertmp_make(const BuilderTmpNeed *need, BuilderTmp *ret);

/* In the builder's mount namespace and root. */
void buildertmp_attach(const BuilderTmp *tmp);

/* Closes; nothing is removed. */
void buildertmp_done(BuilderTmp *tmp);

/* Nobody uses it any more: it and what is in it goes. */
void buildertmp_remove(const BuilderTmp *tmp);
