/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The D-Bus calls that wait until a volume has got to some point, and their replies. */

#include "daemon/record.h"

/* VERB is BUS_SCAN, BUS_REBUILD or BUS_PREPARE_UNMOUNT: answered by a scan, a build, or the scan after that,
 * which begins from now on. -ENOMEM. */
int pending_add(Record *r, BusVerb verb, BusCall *call);

/* A scan ended with this verdict, one of the values of State. */
void pending_answer_scans(Record *r, const char *verdict);
/* The build of this number ended, WELL or not; UINT64_MAX: there turned out to be nothing to build. */
void pending_answer_rebuilds(Record *r, uint64_t build, bool well);
/* Call it whenever the volume has reached a state: if nothing more will happen by itself (it rests, it hangs,
 * a child could not even be started, it is no longer trusted) nobody may be left waiting. */
void pending_answer_resting(Record *r);
/* The volume is gone. */
void pending_answer_gone(Record *r);
