/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* How often we say that we live while there is nothing to tell: what says nothing for long is taken to hang.
 */
#define PROGRESS_BEAT_USEC USEC_PER_SEC

/* Bytes copied out of those to copy, as PROGRESS records a few times a second. */
typedef struct Progress {
        FILE *f; /* borrowed; NULL: not reported */
        uint64_t done, of;
        uint64_t told_usec;
} Progress;

void progress_expect(Progress *p, uint64_t bytes);
/* Nothing new, but we live: told at once, … */
void progress_repeat(Progress *p);
/* … or only if nothing was told for PROGRESS_BEAT_USEC. For loops that may be long. */
void progress_beat(Progress *p);
void progress_add(Progress *p, uint64_t bytes);
