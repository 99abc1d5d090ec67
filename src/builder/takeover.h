/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What somebody else built was not learned from: until we build it, it takes over the list of the build
 * before or, if that has none, of the newest other instance of its cache, with the one's name in place of the
 * other's. */

#include <time.h>

#include "freshness/subject.h"

/* Adds the lines of the learned list to STAMP, after those of the outputs. What has changed since BEGAN may
 * have changed too late to go into it, and has raced. Where there is no list, one line says so: either it is
 * to be built once more, or that would not help. 0 or a shortage (finding.h). */
int takeover_record(const FreshnessContext *c, const PlanCache *cache, const struct timespec *began,
                    Stamp *stamp);
