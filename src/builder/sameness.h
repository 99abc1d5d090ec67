/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Has anything changed but the times of files, or how they came there? Then a cache need not be built again:
 * a package that was reinstalled, a file that was touched or restored, an output that somebody wrote once
 * more. What differs and has no content in the stamp means: build it; docs/stamps.md says what is safe where.
 */

#include "builder/contentcheck.h"
#include "freshness/subject.h"

/* Call it for a cache that is stale. 1: *RET is what its stamp would be if it was built now; 0: it must be
 * built. */
int sameness_find(const FreshnessContext *c, const PlanCache *cache, const ContentReading *reading,
                  Stamp **ret);
