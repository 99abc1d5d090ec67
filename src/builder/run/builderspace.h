/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mount namespace that one run of a builder gets: the volume is a mount in it that nobody else uses, so
 * whatever is opened there is opened by the builder or by what it has started. Nothing that is mounted in it
 * is seen by anyone else or outlives the builder. */

#include "builder/run/buildertmp.h"

typedef struct BuilderSpace {
        int tree;          /* a detached clone of the volume, and of what is mounted below it */
        const char *place; /* borrowed: the builder runs on the host, where the volume is mounted here; NULL:
                              it runs in the volume */
        BuilderTmp tmp;
} BuilderSpace;

#define BUILDER_SPACE_NULL ((BuilderSpace){.tree = -EBADF, .tmp = BUILDER_TMP_NULL})
void builderspace_done(BuilderSpace *space); /* closes; what it was for has ended: its /tmp goes */

/* For a builder that is about to be started, whose command is WORDS. ROOT is the volume's root directory. It
 * keeps the device busy until the end of it. */
int builderspace_make(int root, const char *place, char *const *words, BuilderSpace *ret);

/* For the child that is about to exec: on failure it is in an undefined state. *RET_WHAT is a static text for
 * the error. On the host, all mounts come and go as they do there. */
int builderspace_enter(const BuilderSpace *space, const char **ret_what);
