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
        struct timespec since; /* what carries this time, or a later one, may have changed since the builder
                                  was started */
} LearningRace;

/* Did what STX is of change at BEGAN or later? Where a file system keeps whole seconds only, in the same
 * second counts, too. */
bool stat_is_not_older(const struct statx *stx, bool trust_ctime, const struct timespec *began);

/* CONTENT as content_of_sight() says it. */
bool learning_has_raced(const LearningRace *race, const Sight *sight, const char *content);
