/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is something mounted over what a cache is made from, or over where it goes? Then it cannot be built, and
 * neither can a build fail: it waits until the mount goes. */

#include "freshness/subject.h"

/* The first path of CACHE that a mount covers; *RET NULL: none does. 0 or negative errno. */
int cover_find(const FreshnessContext *c, const PlanCache *cache, char **ret);
