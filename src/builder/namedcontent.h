/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The content of what the manifest names: of each file of its sources that the builder was not seen to read,
 * and of each output. It goes into the stamp when that is complete, and only where the metadata that is in
 * it already still holds: what changed since then makes the cache stale anyway. */

#include "builder/contentcheck.h"
#include "freshness/subject.h"

typedef struct NamedContent {
        const FreshnessContext *context;
        const PlanCache *cache;
        const Stamp *before;     /* of the last build; NULL: everything is read anew */
        ContentReading *reading; /* or NULL: without a limit for all of them */
} NamedContent;

/* Adds lines `content` and words of lines `file` to STAMP, which has everything else. 0 or a shortage
 * (finding.h). */
int namedcontent_record(const NamedContent *n, Stamp *stamp);
