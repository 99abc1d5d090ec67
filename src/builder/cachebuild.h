/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "base/progress.h"
#include "builder/run/builderlink.h"
#include "builder/transaction/between.h"
#include "freshness/freshness.h"

/* Builds one cache, if it needs to be: one instance, one run of its builder. */

typedef enum CacheOutcome {
        CACHE_FRESH, /* there was nothing to do */
        CACHE_SAME,  /* what changed has the same content: its stamp was brought up to date, nothing was built
                      */
        CACHE_BUILT,
        CACHE_FAILED,
        CACHE_NOT_NOW,
        CACHE_INTERRUPTED,
} CacheOutcome;

typedef struct CacheBuild {
        const FreshnessContext *context;
        Interrupt *interrupt;
        Progress *progress;
        const Between *between;  /* or NULL */
        const BuilderLink *link; /* to where builders run; NULL: as our children */
        bool force;
        bool running; /* the volume is our own root: no chroot */
} CacheBuild;

/* 0, *RET is the outcome, *RET_REASON the reason (NULL for FRESH, SAME and BUILT); negative errno: out of
 * memory. */
int cachebuild_run(const CacheBuild *b, const PlanCache *cache, CacheOutcome *ret, char **ret_reason);

/* It is built: adds its outputs as they are now to STAMP, which was taken before; and keeps it on the volume.
 * *RETERR says what is wrong. */
int cachebuild_record_outputs(const FreshnessContext *c, const PlanCache *cache, Stamp *stamp, char **reterr);
int cachebuild_write_stamp(const FreshnessContext *c, const PlanCache *cache, const Stamp *stamp,
                           char **reterr);
