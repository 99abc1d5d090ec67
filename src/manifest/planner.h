/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A plan while it is made: what the files plan*.c share, and nobody else includes. */

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
        size_t match_steps; /* so far: bytes of names times bytes of patterns, about */
        size_t path_bytes;  /* of all paths that are to be expanded */
        Matches *matches;
        size_t n_matches;
} Planner;

/* Of what in the manifest a path is. */
typedef struct PathUse {
        unsigned line;
        const char *instance; /* or NULL */
} PathUse;

#define planner_refuse(p, line, ...) refusal((p)->reterr, (p)->manifest->path, (line), __VA_ARGS__)

/* Looking at PATH, named in LINE, gave R. Returns -EBADMSG where something on the volume lies in the way:
 * that is refused. All else is an error, to be tried again: a disk, memory, and another mount in the way, for
 * no watch tells that it went. */
int planner_could_not_look(Planner *p, int r, unsigned line, const char *path);

/* What TEMPLATE stands for. An instance can make it too long: then it is refused. */
int planner_expand(Planner *p, const PathUse *use, const char *template,
                   char buffer[static TEMPLATE_PATH_MAX + 1]);

/* What EACH (or NULL) matches, looked for once however many use it. (plan-instances.c) */
int planner_match(Planner *p, unsigned line, const char *each, Matches *ret);
const char *planner_instance(const Planner *p, const Matches *m, size_t i);

/* Puts the caches in an order in which each comes after those whose outputs it is made from, and refuses a
 * circle, two outputs or two copies in one place, and what is bootkeep's own. (plan-order.c) */
int planner_sort_caches(Planner *p);
int planner_check_copies(Planner *p);
