/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "builder/run/builderlink.h"
#include "builder/transaction/between.h"
#include "freshness/freshness.h"
#include "helper/helperlist.h"

/* One build of one volume: caches in dependency order, then every helper. */
typedef struct Build {
        const FreshnessContext *context; /* without watches */
        const HelperList *helpers;
        Interrupt *interrupt;
        const Between *between;  /* or NULL */
        const BuilderLink *link; /* to where builders run; NULL: as our children */
        FILE *report;            /* for records BUILT, UPDATED, PROGRESS; borrowed */
        const bool *only;        /* for each cache of the plan: is it one of those to build? NULL: all are */
        bool force, caches_only, helpers_only;
} Build;

typedef enum BuildResult {
        BUILD_SUCCESS,
        BUILD_FAILED,
        BUILD_NOT_NOW,
} BuildResult;

/* 0, *RET is the outcome, *RET_REASON (NULL on success) the first thing that went wrong. Everything is
 * logged. Negative errno: out of memory and the like, not logged. */
int build_run(const Build *b, BuildResult *ret, char **ret_reason);
