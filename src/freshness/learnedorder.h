/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which caches were learned to be made from what others make: a boot menu lists the folder in which it finds
 * the initramfs. It is built after that from then on, although no manifest says so. */

#include "freshness/subject.h"

/* Of all caches of the plan, according to their stamps. Instances of one cache do not count for each other.
 * *RET holds *RET_N; a shortage (finding.h). */
int learned_order_read(const FreshnessContext *c, PlanEdge **ret, size_t *ret_n);
