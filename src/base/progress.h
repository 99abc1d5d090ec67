/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* How often to give a sign of life while there is nothing to report: a build that is silent for long counts
 * as hung. */
#define PROGRESS_BEAT_USEC USEC_PER_SEC

/* Bytes copied out of those to copy, as PROGRESS records a few times a second. */
typedef struct Progress {
        FILE *f; /* borrowed; NULL: not reported */
        uint64_t done, of;
        uint64_t told_usec;
} Progress;

void progress_expect(Progress *p, uint64_t bytes);
/* A sign of life without news: given at once, … */
void progress_repeat(Progress *p);
/* … or only if nothing was reported for PROGRESS_BEAT_USEC. For loops that may be long. */
void progress_beat(Progress *p);
/* Instead of one: the builder of this name goes on, but does nothing. A record IDLE. */
void progress_idle(const Progress *p, const char *builder);
void progress_add(Progress *p, uint64_t bytes);
