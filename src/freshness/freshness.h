/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is a cache, is a helper what its stamp says? Asked by bootkeep-scan, which reports the answer, and by
 * bootkeep-build, which acts on it: one answer for both. Looks at metadata alone, never writes.
 *
 * Stamp of a cache, caches/NAME[@INSTANCE].stamp:
 *   fingerprint HEX             of builder and sources
 *   builder NAME HEX
 *   output PATH SIZE MTIME      each output as the builder left it (a directory: PATH HEX -)
 *   more N                      so many files have no line
 *   file PATH DESCRIPTION [TARGET]   each file of the sources, for explaining a difference
 * Stamp of a helper, helpers/PARTUUID.stamp:
 *   fingerprint HEX             of everything copied to it
 *   filesystem UUID
 *   (lines of bootkeep-build about what it carries)
 *   more N, file PATH DESCRIPTION [TARGET]   as above */

#include "freshness/finding.h"
#include "freshness/subject.h"

/* 0 (the outcome is in *RET, errors of single paths included) or negative errno (out of memory, no watches
 * left, …). */
int freshness_of_cache(const FreshnessContext *c, const PlanCache *cache, Freshness *ret);
int freshness_of_helper(const FreshnessContext *c, const Helper *helper, Freshness *ret);

/* The lines `fingerprint`, `builder` and `file` of a stamp made now, before a builder runs (helper:
 * `fingerprint`, `file`). *RET_MISSING, unless NULL, gets the path when a needed file is missing (-ENOENT) or
 * cannot be looked at (another errno). Of very many files only the first have a line (stamp.h). */
int freshness_stamp_cache(const FreshnessContext *c, const PlanCache *cache, Stamp **ret, char **ret_missing);
int freshness_stamp_helper(const FreshnessContext *c, const Helper *helper, Stamp **ret, char **ret_missing);
/* Adds the `output` lines: to be called after the builder. -ENOENT: *RET_MISSING. */
int freshness_stamp_outputs(const FreshnessContext *c, const PlanCache *cache, Stamp *stamp,
                            char **ret_missing);

/* One fingerprint of all sources and copied files that no cache writes (told by the templates in MANIFEST).
 * While it stays the same a build that failed has no reason to end otherwise. Arms nothing; what cannot be
 * looked at counts as missing. */
int freshness_of_sources(const FreshnessContext *c, const Manifest *manifest, Fingerprint *ret);
