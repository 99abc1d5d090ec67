/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From what was seen of one run of a builder to the learned list of its cache (freshness/learned.h): what of
 * it counts, how it is now, and whether it changed while it was used.
 *
 * What changed since the builder was started may have been read before that change: it is `raced`, and the
 * cache stale at once. What the builder itself changes each time must not be: it is known by what it wrote,
 * or by the list of the build before, in which it was the same. */

#include "builder/contentcheck.h"
#include "builder/run/trace.h"
#include "freshness/learned.h"
#include "freshness/subject.h"

typedef struct Learning {
        const FreshnessContext *context;
        const PlanCache *cache;
        const Trace *trace;      /* finished */
        const char *how;         /* "opens" or "lookups" */
        const Learned *before;   /* what was learned when it was last built */
        ContentReading *reading; /* NULL: without a limit for all of them */
} Learning;

/* Adds the lines to STAMP, after those of the outputs. What is too much, or not complete, is one line that
 * says so. 0; -ENOMEM, or another shortage (finding.h). */
int learning_record(const Learning *l, Stamp *stamp);

#define LEARNING_NOT_ASKED_FOR "its builder is not to be watched (Learn=no)"

/* The line that says that nothing was learned, and why. */
int learning_record_nothing(Stamp *stamp, const char *why);

/* Returns when the clock of file systems has gone on: whatever changes after that differs in its time from
 * whatever changed before. */
void learning_await_tick(void);
