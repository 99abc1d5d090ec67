/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is everything that a cache was learned to be made from as it was? */

#include "freshness/finding.h"
#include "freshness/subject.h"

/* Examines and arms what HEAD, the stamp of the cache SUBJECT, says was learned, and notes in F the first
 * difference. What a mount covers counts as unchanged. 0 or a shortage (finding.h). */
int learned_compare(const Subject *subject, const Stamp *head, Freshness *f);
