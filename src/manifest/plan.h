/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a manifest means on the volume that it is on: every cache and copy once for each instance, caches in
 * an order in which every cache comes after those whose outputs are its sources.
 *
 * Paths stay templates and are expanded on demand, so 4,096 instances of long paths cost no memory. */

#include "manifest/definition.h"
#include "manifest/manifest.h"

typedef struct PlanCache {
        const ManifestCache *cache;   /* of the manifest, which must outlive the plan */
        const Definition *definition; /* of the set, likewise */
        const char *instance;         /* owned by the plan; NULL without `each` */
} PlanCache;

typedef struct PlanCopy {
        const ManifestCopy *copy;
        const char *instance;
} PlanCopy;

typedef struct Plan {
        /* in dependency order; among equals in document order, then by instance in byte order */
        PlanCache *caches;
        size_t n_caches;
        PlanCopy *copies; /* by role, then document order, then instance */
        size_t n_copies;
        char *machine_id; /* 32 hex digits, or NULL: the volume has none */
        char **instances; /* strv that `instance` points into */
} Plan;

Plan *plan_free(Plan *p);
DEFINE_CLEANUP(Plan *, plan_free);

/* Expands MANIFEST on the volume WALK; the directories in which `each` is matched are armed first (a missing
 * one matches nothing, its appearance is armed). Matches that begin with "-" or contain control characters
 * are ignored with a warning in the log. /etc/machine-id is read (and armed) only if %m is used. 0; -EBADMSG:
 * refused (*RETERR "FILE:LINE: …": unknown builder, dependency cycle with its members, over a limit, two
 * instances with the same output or `to` (compared without case: FAT), %m without a machine ID); other errno:
 * failed (*RETERR may say where). */
int plan_new(const Walk *walk, const Manifest *manifest, const DefinitionSet *definitions, Plan **ret,
             char **reterr);

/* Refuses, on a volume that is not the root of the running system, each cache whose builder may only be run
 * there (RunningSystemOnly=). 0; -EBADMSG (*RETERR "FILE:LINE: …"); -ENOMEM. */
int plan_check_running(const Plan *plan, const Manifest *manifest, char **reterr);

/* The cache FIRST of a plan is rather built before the cache THEN. */
typedef struct PlanEdge {
        size_t first, then;
} PlanEdge;

/* Puts the caches in an order in which EDGES hold as well, as far as they do not contradict each other or the
 * manifest: one that does is dropped. -ENOMEM: the order is as it was. */
int plan_prefer(Plan *plan, const Manifest *manifest, const PlanEdge *edges, size_t n);

/* A template's path for INSTANCE (may be NULL if the template has no %i). -ENOMEM; nothing else for those of
 * the plan, which plan_new() has expanded already. -ENAMETOOLONG over 4095 bytes. */
int plan_path(const Plan *plan, const char *template, const char *instance, char **ret);

/* The paths of all that PC makes, added to the strv *RET. -ENOMEM. */
int plan_outputs(const Plan *plan, const PlanCache *pc, char ***ret);

/* A path that a cache is built from: of the volume, or an output of another cache that its source names. */
typedef struct PlanSource {
        const char *template, *instance; /* for plan_path() */
        const ManifestSource *source;
        size_t next, cache, output; /* where to go on */
} PlanSource;

/* Goes on to the next one of PC; begin with {}. False: there is none. */
bool plan_next_source(const Plan *plan, const PlanCache *pc, PlanSource *s);

/* Is PC built from all that OTHER makes, by its name? */
bool plan_names_cache(const PlanCache *pc, const PlanCache *other);

/* Which copies a helper of TYPE carries: those of its own type, and an ESP also those of `xbootldr` if its
 * disk has none. */
bool plan_copy_is_for(const PlanCopy *copy, HelperType type, bool disk_has_xbootldr);
