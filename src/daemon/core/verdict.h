/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an exit status means for the machine of a volume. Pure. */

#include "daemon/core/volume.h"

/* A scan ended with STATUS (of bootkeep.h, 128 + signal, or negative errno). UNCHANGED: if something is
 * stale, the sources are the same as when the last build began. */
VolumeEvent verdict_of_scan(int status, bool unchanged);
/* A build likewise. LOCKED_OUT: it reports that it did not begin, because a client holds the lock. */
VolumeEvent verdict_of_build(int status, bool locked_out);
/* A client released its lock with STATUS. */
VolumeEvent verdict_of_unlock(int status);

/* The state returned to a caller of Scan when the scan has ended with VERDICT: the verdict counts even if the
 * volume is settling again. */
const char *verdict_to_string(VolumeState state, VolumeEvent verdict);
