/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why a volume is in its state, in words for people: the property StateReason. Why something is stale comes
 * from the scan (base/reason.h). */

#include "daemon/record.h"

/* "" if there is nothing to say. Owned by the caller; NULL: out of memory. */
char *statetext_of(const Record *record);

/* The first that is stale according to REPORT (NULL: none), likewise. */
char *statetext_first_stale(const Report *report);
