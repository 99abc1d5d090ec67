/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "freshness/freshness.h"

/* The outputs of one cache before and after its builder runs: ensures that they may be written at their
 * paths, and that they were. */
typedef struct Outputs {
        char **paths; /* strv, on the volume */
        Fingerprint *before;
} Outputs;

#define OUTPUTS_NULL ((Outputs){})
void outputs_done(Outputs *o);

/* Creates their directories, and notes their state. -ELOOP: an output or a directory in its path is a
 * symbolic link; -EXDEV: on another file system; -EINVAL: there is something that no builder makes; *RETERR
 * says which. */
int outputs_prepare(const FreshnessContext *c, const PlanCache *cache, Outputs *ret, char **reterr);

/* After a builder that reported success: each exists, differs from before, and is durable now. -ENODATA: one
 * does not; *RETERR says which. */
int outputs_settle(const FreshnessContext *c, const Outputs *o, char **reterr);
