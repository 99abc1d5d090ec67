/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Does a cache or helper match its stamp? Used by bootkeep-scan, which reports the answer, and by
 * bootkeep-build, which acts on it: one answer for both. Reads metadata only, never writes.
 *
 * Stamp of a cache, caches/NAME[@INSTANCE].stamp:
 *   fingerprint HEX             of builder and sources
 *   builder NAME HEX
 *   output PATH SIZE MTIME      each output as the builder left it (for a directory: PATH HEX -)
 *   content PATH HEX            of an output
 *   learned …                   and what follows it: what it was learned to be made from (learned.h)
 *   more N                      the number of files without a line
 *   file PATH DESCRIPTION [TARGET | CONTENT]   each file of the sources, to explain a difference
 * Stamp of a helper, helpers/PARTUUID.stamp:
 *   fingerprint HEX             of everything copied to it
 *   filesystem UUID
 *   (lines of bootkeep-build about what it carries)
 *   more N, file PATH DESCRIPTION [TARGET]   as above */

#include "freshness/finding.h"
#include "freshness/subject.h"

/* 0 (the outcome is in *RET, including errors of single paths) or negative errno (out of memory, no watches
 * left, …). */
int freshness_of_cache(const FreshnessContext *c, const PlanCache *cache, Freshness *ret);
int freshness_of_helper(const FreshnessContext *c, const Helper *helper, Freshness *ret);

/* The lines `fingerprint`, `builder` and `file` of a stamp made now, before a builder runs (helper:
 * `fingerprint`, `file`). If a needed file is missing (-ENOENT) or cannot be examined (another errno), its
 * path is stored in *RET_MISSING, unless NULL. Of very many files only the first ones have a line
 * (stamp.h). */
int freshness_stamp_cache(const FreshnessContext *c, const PlanCache *cache, Stamp **ret, char **ret_missing);
int freshness_stamp_helper(const FreshnessContext *c, const Helper *helper, Stamp **ret, char **ret_missing);
/* Adds the `output` lines: call it after the builder. -ENOENT: *RET_MISSING. */
int freshness_stamp_outputs(const FreshnessContext *c, const PlanCache *cache, Stamp *stamp,
                            char **ret_missing);

/* One fingerprint of all sources, learned ones too, and copied files that are not outputs of a cache
 * (according to the templates in MANIFEST). As long as it stays the same, a build that failed has no reason
 * to succeed. Arms nothing; what cannot be examined counts as missing. */
int freshness_of_sources(const FreshnessContext *c, const Manifest *manifest, Fingerprint *ret);
