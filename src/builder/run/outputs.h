/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "freshness/freshness.h"

/* The outputs of one cache around the run of its builder: that they may be written where they are said to be,
 * and that they were. */
typedef struct Outputs {
        char **paths; /* strv, on the volume */
        Fingerprint *before;
} Outputs;

#define OUTPUTS_NULL ((Outputs){})
void outputs_done(Outputs *o);

/* Makes their directories, and notes how they stand. -ELOOP: an output or a directory on the way is a
 * symbolic link; -EXDEV: on another file system; -EINVAL: something is there that a builder does not make;
 * *RETERR says which. */
int outputs_prepare(const FreshnessContext *c, const PlanCache *cache, Outputs *ret, char **reterr);

/* Behind a builder that reported success: each is there, is other than before, and is durable now. -ENODATA:
 * one is not; *RETERR says which. */
int outputs_settle(const FreshnessContext *c, const Outputs *o, char **reterr);
