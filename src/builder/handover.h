/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "freshness/freshness.h"

/* What somebody else builds, such as the hooks of a kernel's package: before that a record is made of what
 * each cache would be built from; after it, whatever was built from just that counts as built, whoever built
 * it.
 *
 * The record is a file outside of the volume in the format of a stamp:
 *   volume NAME
 *   cache NAME INSTANCE|- FINGERPRINT BUILDER HEX   of builder and sources, as in a stamp of the cache
 *   before NAME INSTANCE|- PATH HEX                 each output that was there */
typedef struct Handover {
        const FreshnessContext *context; /* without watches */
        const char *file;                /* the path of the record; its folder is created */
        FILE *report;                    /* for records BUILT; borrowed */
        const char *cache, *instance;    /* which caches to begin; NULL: all */
} Handover;

/* What is to be built before that, if it is stale, so that its output is not new again afterwards: what has a
 * builder with Quick=yes, and goes into what is to be begun. *RET: for each cache of the plan, is it one of
 * them? NULL: nothing is stale. */
int handover_choose_quick(const Handover *h, bool **ret);

/* 0: the record is made. -ENOENT: there is nothing to record, and *RET_REASON says why; other negative errno:
 * likewise, or NULL. */
int handover_begin(const Handover *h, char **ret_reason);

/* 0: *RET_TAKEN caches count as built, which is logged. For the first that does not, *RET_REASON says why.
 * What it is made from must be built itself, and is taken first. Negative errno: as above. */
int handover_end(const Handover *h, unsigned *ret_taken, char **ret_reason);
