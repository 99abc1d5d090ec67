/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Does a builder do anything, or does it hang? Told from what it and the processes that it started have used
 * so far. Pure: no clock, no I/O. */

#include "base/util.h"

typedef struct Usage {
        uint64_t cpu_usec; /* of processors */
        uint64_t io_bytes; /* read from and written to disks */
} Usage;

/* A loop that sleeps and looks uses less than this, and does nothing. */
#define ACTIVITY_CPU_USEC (100 * USEC_PER_MSEC)
#define ACTIVITY_WINDOW_USEC (10 * USEC_PER_SEC)

typedef struct Activity {
        Usage since;         /* what it had used … */
        uint64_t since_usec; /* … then: when it was last active, or at the beginning of the window */
} Activity;

/* NOW is what it has used at NOW_USEC. Was it active since the last time? A change of what was read and
 * written is enough, and so is 1 % of a processor: ACTIVITY_CPU_USEC within ACTIVITY_WINDOW_USEC. */
bool activity_judge(Activity *a, const Usage *now, uint64_t now_usec);
