/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a cache is made from, for people: what the manifest names, and what was learned from its builder. */

#include <stdio.h>

#include "freshness/subject.h"

/* Of all sources together; more are left out, and the last record SOURCE, of no cache, says how many. */
#define SOURCE_LIST_BYTES_MAX (4U * 1024U * 1024U)

/* Prints a record SOURCE to F for each source of the caches called NAME (NULL: of all), and LEARNED for each
 * instance. -ENOENT: no cache has that name. */
int source_list_print(const FreshnessContext *c, const char *name, FILE *f);
