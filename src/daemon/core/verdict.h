/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an exit status means for the machine of a volume. Pure. */

#include "daemon/core/volume.h"

/* A scan ended with STATUS (of bootkeep.h, 128 + signal, or negative errno). UNCHANGED: where something is
 * stale, the sources are what they were when the last build began. */
VolumeEvent verdict_of_scan(int status, bool unchanged);
/* A build likewise. LOCKED_OUT: it says that it did not begin, as a client holds the lock. */
VolumeEvent verdict_of_build(int status, bool locked_out);
/* A client gave its lock back with STATUS. */
VolumeEvent verdict_of_unlock(int status);

/* The state that a caller of Scan is told when the scan has ended with VERDICT: where the volume settles
 * again, the verdict counts all the same. */
const char *verdict_to_string(VolumeState state, VolumeEvent verdict);
