/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What may become the learned list of a cache: items of which only kind and path are known yet, in the order
 * of such a list, each once. And what was left out. */

#include "builder/run/trace.h"
#include "freshness/learned.h"
#include "freshness/subject.h"

typedef struct Skipped {
        char *path;
        const char *why;
} Skipped;

typedef struct Candidates {
        Learned list;
        Skipped *skipped;
        size_t n_skipped;
        char **outputs; /* strv: of the cache */
} Candidates;

#define CANDIDATES_NULL ((Candidates){})
void candidates_done(Candidates *c);

/* What of TRACE counts for the cache SUBJECT. -ENOMEM. */
int candidates_choose(const Subject *subject, const Trace *trace, Candidates *ret);

int candidates_add(Candidates *c, LearnedKind kind, const char *path);
/* Sorts them, and drops what is there twice. */
void candidates_sort(Candidates *c);

/* Adds the links that lead to one of them or to a folder that they are in: those in these folders and in the
 * folders above, and what they pass through. Who only sees what is opened does not see them. -ENOMEM, or
 * another shortage (finding.h). */
int candidates_add_links(Candidates *c, int root);

/* Is PATH an output of the cache, or below one? */
bool candidates_have_output(const Candidates *c, const char *path);
