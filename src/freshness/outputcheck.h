/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The outputs of a cache: is each of them as its builder left it? */

#include <sys/stat.h>

#include "freshness/finding.h"
#include "freshness/subject.h"

/* Examines each output of the cache SUBJECT, arms it, and notes in F the first that is missing or differs
 * from the line `output` of STAMP (NULL: none). 0 or a shortage (finding.h). */
int outputs_compare(const Subject *subject, const Stamp *stamp, Freshness *f);

/* The line of the file PATH, of which STX is. */
int output_describe(const char *path, const struct statx *stx, char **ret);

/* Adds a line `output` for each to STAMP. If one is missing or cannot be examined: its errno, and its path in
 * *RET_MISSING (may be NULL). */
int outputs_record(const Subject *subject, Stamp *stamp, char **ret_missing);
