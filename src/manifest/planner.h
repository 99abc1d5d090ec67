/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A plan while it is being made: shared by the files plan*.c, and included by nobody else. */

#include "manifest/plan.h"
#include "manifest/refusal.h"
#include "manifest/template.h"

/* What one each= matches: a range of the plan's instances. */
typedef struct Matches {
        const char *each; /* NULL: one instance without a name */
        size_t first, n;
} Matches;

typedef struct Planner {
        const Walk *walk;
        const Manifest *manifest;
        const DefinitionSet *definitions;
        char **reterr;
        Plan *plan;
        size_t n_instances; /* in plan->instances */
        size_t match_steps; /* so far: roughly bytes of names times bytes of patterns */
        size_t path_bytes;  /* of all paths to be expanded */
        Matches *matches;
        size_t n_matches;
} Planner;

/* Which part of the manifest a path belongs to. */
typedef struct PathUse {
        unsigned line;
        const char *instance; /* or NULL */
} PathUse;

#define planner_refuse(p, line, ...) refusal((p)->reterr, (p)->manifest->path, (line), __VA_ARGS__)

/* Reading PATH, named in LINE, failed with R. Returns -EBADMSG if something on the volume is in the way: that
 * is refused. Everything else is an error, to be tried again: a disk, memory, and another mount in the way,
 * since no watch reports when that goes away. */
int planner_could_not_look(Planner *p, int r, unsigned line, const char *path);

/* Expands TEMPLATE. If an instance makes it too long, it is refused. */
int planner_expand(Planner *p, const PathUse *use, const char *template,
                   char buffer[static TEMPLATE_PATH_MAX + 1]);

/* What EACH (or NULL) matches, determined once however many use it. (plan-instances.c) */
int planner_match(Planner *p, unsigned line, const char *each, Matches *ret);
const char *planner_instance(const Planner *p, const Matches *m, size_t i);

/* Puts the caches in an order in which each comes after those whose outputs it is built from; refuses cycles,
 * two outputs or two copies with the same path, and what belongs to bootkeep. (plan-order.c) */
int planner_sort_caches(Planner *p);
int planner_check_copies(Planner *p);
