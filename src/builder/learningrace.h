/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Did something change while a builder used it? */

#include "builder/candidates.h"
#include "freshness/sight.h"

typedef struct LearningRace {
        const Subject *subject;
        const Trace *trace;
        const Candidates *candidates;
        const Learned *before; /* the list of the build before */
} LearningRace;

/* Is T, which a file system that keeps whole seconds may have rounded, not before BEGAN? */
bool timestamp_is_not_older(const struct statx_timestamp *t, const struct timespec *began);

/* CONTENT as content_of_sight() says it. */
bool learning_has_raced(const LearningRace *race, const Sight *sight, const char *content);
