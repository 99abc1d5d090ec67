/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The outputs of a cache: is each as its builder left it? */

#include "freshness/finding.h"
#include "freshness/subject.h"

/* Looks at each output of the cache SUBJECT, arms it, and notes in F the first that is missing or other than
 * the line `output` of STAMP (NULL: none) says. 0 or a shortage (finding.h). */
int outputs_compare(const Subject *subject, const Stamp *stamp, Freshness *f);

/* Adds a line `output` for each to STAMP. What is missing or cannot be looked at: its errno, and *RET_MISSING
 * (may be NULL) is its path. */
int outputs_record(const Subject *subject, Stamp *stamp, char **ret_missing);
