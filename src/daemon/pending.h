/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The calls that wait until a volume has come to some point: for a scan, a build, an unmount. Which of them
 * are answered when is decided by core/wait.c. */

#include "daemon/record.h"

/* A call waits for RECORD: for a scan, a build, or the scan after that, which begins from now on. -ENOMEM. */
int pending_add(Waiters *s, Record *record, WaitFor what, const Caller *caller);

/* A scan ended with this verdict, one of the values of State. */
void pending_answer_scans(Record *record, const char *verdict);
/* The build of this number ended, WELL or not; or NOTHING_TO_BUILD. */
void pending_answer_rebuilds(Record *record, uint64_t build, bool well);
/* Call it whenever the volume has reached a state: if nothing more will happen by itself (it rests, it hangs,
 * a child could not even be started, it is no longer trusted) nobody may be left waiting. */
void pending_answer_resting(Record *record);
