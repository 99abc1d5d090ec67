/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files carry the time of a clock that may be set at any moment: by hand, by NTP, by a virtual machine's
 * host. What changes after it was set back looks older than it is. */

#include <stdint.h>
#include <time.h>

/* What CLOCK_REALTIME is ahead of CLOCK_BOOTTIME, in nanoseconds: other than by being set it does not change.
 * To be kept beside the time at which something begins. */
int64_t clockset_now(void);

/* The earliest time that a file can carry which has changed since BEGAN, when the clock was as CLOCK says (0:
 * not known): BEGAN itself, unless the clock has been set back. Of a clock that was set back and forth in
 * between nothing is known. */
struct timespec clockset_earliest(const struct timespec *began, int64_t clock);
