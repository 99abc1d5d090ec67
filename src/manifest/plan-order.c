/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order among the caches of a plan, and what must not be in it. Uses expanded paths; manifest-order.c
 * uses templates. */

#include <ctype.h>

#include "base/error.h"
#include "manifest/order.h"
#include "manifest/planner.h"

/* Walks skip it: a copy of it would silently be empty, and a source would never change. */
static int planner_check_own(Planner *p, unsigned line, const char *path) {
        if (!place_is_own_state(path))
                return 0;
        return planner_refuse(
                p, line, "\"%.100s\" is bootkeep's own and cannot be a source, an output or a copy", path);
}

typedef int (*OrderStep)(Planner *p, Order *o, size_t item, const OrderPath *path);

static int planner_declare_path(Planner *p, Order *o, size_t item, const OrderPath *path) {
        const PlanCache *mine = &p->plan->caches[item];
        size_t other = 0;
        int r = planner_check_own(p, mine->cache->line, path->path);
        if (r >= 0)
                r = order_declare(o, item, path, &other);
        if (r != -EEXIST)
                return r;
        const PlanCache *its = &p->plan->caches[other];
        return planner_refuse(p, mine->cache->line, "output %.100s of %s %s is also an output of %s %s",
                              path->path, mine->cache->name, strempty(mine->instance), its->cache->name,
                              strempty(its->instance));
}

static int planner_connect_path(Planner *p, Order *o, size_t item, const OrderPath *path) {
        return order_connect(o, item, path);
}

/* Does STEP with all paths of one cache. */
static int planner_step_cache(Planner *p, Order *o, size_t item, OrderStep step) {
        const PlanCache *pc = &p->plan->caches[item];
        const ManifestCache *c = pc->cache;
        const PathUse use = {.line = c->line, .instance = pc->instance};
        char path[TEMPLATE_PATH_MAX + 1];
        int r = 0;
        for (size_t i = 0; r >= 0 && i < c->n_outputs; i++) {
                r = planner_expand(p, &use, c->outputs[i], path);
                if (r >= 0)
                        r = step(p, o, item, &(OrderPath){.kind = ORDER_OUTPUT, .path = path});
        }
        for (size_t i = 0; r >= 0 && i < c->n_sources; i++) {
                if (!c->sources[i].path)
                        continue;
                r = planner_expand(p, &use, c->sources[i].path, path);
                if (r >= 0)
                        r = step(p, o, item, &(OrderPath){.kind = ORDER_SOURCE, .path = path});
        }
        return r;
}

/* The sources that are named by their cache. */
static int planner_join_cache(const Planner *p, Order *o, size_t item) {
        const ManifestCache *c = p->plan->caches[item].cache;
        int r = order_join(o, item, ORDER_OUTPUT, c->name);
        for (size_t i = 0; r >= 0 && i < c->n_sources; i++)
                if (c->sources[i].cache)
                        r = order_join(o, item, ORDER_SOURCE, c->sources[i].cache);
        return r;
}

static int planner_refuse_cycle(Planner *p, const size_t *members, size_t n) {
        _cleanup_(strv_builder_done) StrvBuilder cycle = {};
        _cleanup_strv_free_ char **names = NULL;
        int r = 0;
        assert(members && n > 0);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const PlanCache *c = &p->plan->caches[members[i]];
                char *name = NULL;
                r = strprintf(&name, "%s%s%s", c->cache->name, c->instance ? " " : "", strempty(c->instance));
                if (r >= 0)
                        r = strv_builder_push(&cycle, name);
        }
        if (r >= 0)
                r = strv_builder_finish(&cycle, &names);
        if (r < 0)
                return r;
        return refusal_of_cycle(p->reterr, p->manifest->path, p->plan->caches[members[0]].cache->line, names);
}

/* What depends on what, according to the manifest. */
static int planner_make_order(Planner *p, Order **ret) {
        const Plan *plan = p->plan;
        _cleanup_(order_freep) Order *o = NULL;
        int r = order_new(plan->n_caches, &o);
        for (size_t i = 0; r >= 0 && i < plan->n_caches; i++)
                r = planner_step_cache(p, o, i, planner_declare_path);
        for (size_t i = 0; r >= 0 && i < plan->n_caches; i++)
                r = planner_step_cache(p, o, i, planner_connect_path);
        for (size_t i = 0; r >= 0 && i < plan->n_caches; i++)
                r = planner_join_cache(p, o, i);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

static int plan_apply_order(Plan *plan, const size_t *sequence) {
        size_t n = plan->n_caches;
        PlanCache *sorted = calloc(n + 1, sizeof(*sorted));
        if (!sorted)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < n; i++)
                sorted[i] = plan->caches[sequence[i]];
        free(plan->caches);
        plan->caches = sorted;
        return 0;
}

int planner_sort_caches(Planner *p) {
        _cleanup_(order_freep) Order *o = NULL;
        _cleanup_free_ size_t *sequence = NULL;
        size_t n = 0;
        int r = planner_make_order(p, &o);
        if (r >= 0)
                r = order_sort(o, &sequence, &n);
        if (r < 0)
                return r == -ELOOP ? planner_refuse_cycle(p, sequence, n) : r;
        assert(n == p->plan->n_caches);
        return plan_apply_order(p->plan, sequence);
}

#define DROPPED_MAX 256U /* then none of them is kept: each is found by sorting anew */

/* In the cycle MEMBERS at least one edge is not the manifest's. */
static bool drop_preference(Order *o, const size_t *members, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (order_forget(o, members[i], members[(i + 1) % n]))
                        return true;
        return false;
}

int plan_prefer(Plan *plan, const Manifest *manifest, const PlanEdge *edges, size_t n_edges) {
        assert(plan && manifest && (edges || n_edges == 0));
        _cleanup_(order_freep) Order *o = NULL;
        _cleanup_free_ char *refusal = NULL;
        Planner p = {.plan = plan, .manifest = manifest, .reterr = &refusal};
        int r = planner_make_order(&p, &o);
        for (size_t i = 0; r >= 0 && i < n_edges; i++)
                r = order_precede(o, edges[i].first, edges[i].then);
        for (size_t dropped = 0; r >= 0; dropped++) {
                _cleanup_free_ size_t *sequence = NULL;
                size_t n = 0;
                r = order_sort(o, &sequence, &n);
                if (r >= 0)
                        return plan_apply_order(plan, sequence);
                if (r != -ELOOP)
                        break;
                if (dropped >= DROPPED_MAX || !drop_preference(o, sequence, n))
                        return 0;
                r = 0;
        }
        return r;
}

static int planner_refuse_copy(Planner *p, const PlanCopy *mine, const PlanCopy *its, const char *path) {
        return planner_refuse(p, mine->copy->line,
                              "%.100s on the helper would be written for %s and for %s, line %u", path,
                              mine->instance ? mine->instance : "this copy",
                              its->instance ? its->instance : "the copy", its->copy->line);
}

static int planner_check_copy(Planner *p, Order *o, size_t item) {
        const PlanCopy *c = &p->plan->copies[item];
        const PathUse use = {.line = c->copy->line, .instance = c->instance};
        char path[TEMPLATE_PATH_MAX + 1];
        size_t other = 0;
        int r = planner_expand(p, &use, c->copy->from, path);
        if (r >= 0)
                r = planner_check_own(p, c->copy->line, path);
        if (r >= 0)
                r = planner_expand(p, &use, c->copy->to, path);
        if (r < 0)
                return r;
        /* on FAT, names that differ only in case are the same */
        for (char *s = path; *s; s++)
                *s = (char) tolower((unsigned char) *s);
        r = order_declare(o, item, &(OrderPath){.kind = ORDER_OUTPUT, .path = path}, &other);
        return r == -EEXIST ? planner_refuse_copy(p, c, &p->plan->copies[other], path) : r;
}

int planner_check_copies(Planner *p) {
        _cleanup_(order_freep) Order *o = NULL;
        int r = order_new(p->plan->n_copies, &o);
        for (size_t i = 0; r >= 0 && i < p->plan->n_copies; i++)
                r = planner_check_copy(p, o, i);
        return r;
}
