/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Expands a manifest on the volume that it is on. It reads only two things: the directories in which each= is
 * matched, and the machine ID; nothing that the paths lead to. It refuses what only shows on the volume:
 * patterns that overlap, cycles between instances, too many of them. */

#include "base/error.h"
#include "manifest/machineid.h"
#include "manifest/planner.h"

static void planner_release(Planner *p) {
        plan_free(p->plan);
        free(p->matches);
}

static bool cache_uses(const ManifestCache *c, char which) {
        if (c->each && template_uses(c->each, which))
                return true;
        for (size_t i = 0; i < c->n_sources; i++)
                if (c->sources[i].path && template_uses(c->sources[i].path, which))
                        return true;
        for (size_t i = 0; i < c->n_outputs; i++)
                if (template_uses(c->outputs[i], which))
                        return true;
        return false;
}

static bool copy_uses(const ManifestCopy *c, char which) {
        return (c->each && template_uses(c->each, which)) || template_uses(c->from, which) ||
               template_uses(c->to, which);
}

/* The line of the first that uses %m; 0: none does. */
static unsigned manifest_machine_id_line(const Manifest *m) {
        for (size_t i = 0; i < m->n_caches; i++)
                if (cache_uses(&m->caches[i], 'm'))
                        return m->caches[i].line;
        for (size_t i = 0; i < m->n_copies; i++)
                if (copy_uses(&m->copies[i], 'm'))
                        return m->copies[i].line;
        return 0;
}

static int planner_read_machine_id(Planner *p) {
        unsigned line = manifest_machine_id_line(p->manifest);
        if (line == 0)
                return 0;
        int r = machine_id_read(p->walk, &p->plan->machine_id);
        if (r < 0)
                return planner_could_not_look(p, r, line, MACHINE_ID_PATH);
        if (!p->plan->machine_id)
                return planner_refuse(p, line, "%%m is used, but %s contains no machine ID", MACHINE_ID_PATH);
        return 0;
}

/* Is there room for the instances M, whose paths cost COST each? */
static int planner_check_room(Planner *p, unsigned line, const Matches *m, TemplateCost cost) {
        if (p->plan->n_caches + p->plan->n_copies + m->n > MANIFEST_INSTANCES_MAX)
                return planner_refuse(p, line, "more than %u instances in total", MANIFEST_INSTANCES_MAX);
        for (size_t i = 0; i < m->n && p->path_bytes <= MANIFEST_EXPANDED_MAX; i++)
                p->path_bytes += cost.fixed + cost.instances * strlen(strempty(planner_instance(p, m, i)));
        if (p->path_bytes > MANIFEST_EXPANDED_MAX)
                return planner_refuse(p, line, "more than %u MiB of paths in total",
                                      MANIFEST_EXPANDED_MAX >> 20);
        return 0;
}

/* Of all that FROM makes, which is a source of something in LINE. */
static int planner_add_cost_of_cache(Planner *p, unsigned line, const ManifestCache *from,
                                     TemplateCost *cost) {
        TemplateCost each = {};
        Matches m = {};
        for (size_t i = 0; i < from->n_outputs; i++)
                template_add_cost(from->outputs[i], &each);
        int r = planner_match(p, line, from->each, &m);
        for (size_t i = 0; r >= 0 && i < m.n && cost->fixed <= MANIFEST_EXPANDED_MAX; i++)
                cost->fixed += each.fixed + each.instances * strlen(strempty(planner_instance(p, &m, i)));
        return r;
}

static int planner_add_cost(Planner *p, const ManifestCache *c, TemplateCost *cost) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < c->n_sources; i++)
                if (c->sources[i].from)
                        r = planner_add_cost_of_cache(p, c->sources[i].line, c->sources[i].from, cost);
                else
                        template_add_cost(c->sources[i].path, cost);
        for (size_t i = 0; i < c->n_outputs; i++)
                template_add_cost(c->outputs[i], cost);
        return r;
}

static int planner_add_cache(Planner *p, const ManifestCache *c) {
        Plan *plan = p->plan;
        Matches m = {};
        const Definition *definition = definition_set_find(p->definitions, c->builder);
        if (!definition)
                return planner_refuse(p, c->line, "unknown builder \"%s\" of cache \"%s\"", c->builder,
                                      c->name);
        TemplateCost cost = {};
        int r = planner_add_cost(p, c, &cost);
        if (r >= 0)
                r = planner_match(p, c->line, c->each, &m);
        if (r >= 0)
                r = planner_check_room(p, c->line, &m, cost);
        for (size_t i = 0; r >= 0 && i < m.n; i++) {
                r = grow(plan->caches, plan->n_caches);
                if (r >= 0)
                        plan->caches[plan->n_caches++] =
                                (PlanCache){c, definition, planner_instance(p, &m, i)};
        }
        return r;
}

static int planner_add_copy(Planner *p, const ManifestCopy *c) {
        Plan *plan = p->plan;
        Matches m = {};
        TemplateCost cost = {};
        template_add_cost(c->from, &cost);
        template_add_cost(c->to, &cost);
        int r = planner_match(p, c->line, c->each, &m);
        if (r >= 0)
                r = planner_check_room(p, c->line, &m, cost);
        for (size_t i = 0; r >= 0 && i < m.n; i++) {
                r = grow(plan->copies, plan->n_copies);
                if (r >= 0)
                        plan->copies[plan->n_copies++] = (PlanCopy){c, planner_instance(p, &m, i)};
        }
        return r;
}

static int planner_add_all(Planner *p) {
        const Manifest *m = p->manifest;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < m->n_caches; i++)
                r = planner_add_cache(p, &m->caches[i]);
        for (CopyRole role = 0; role < _ROLE_MAX; role++)
                for (size_t i = 0; r >= 0 && i < m->n_copies; i++)
                        if (m->copies[i].role == role)
                                r = planner_add_copy(p, &m->copies[i]);
        return r;
}

int plan_new(const Walk *walk, const Manifest *manifest, const DefinitionSet *definitions, Plan **ret,
             char **reterr) {
        assert(walk && manifest && definitions && ret && reterr);
        _cleanup_(planner_release) Planner p = {
                .walk = walk, .manifest = manifest, .definitions = definitions, .reterr = reterr};
        p.plan = calloc(1, sizeof(*p.plan));
        if (!p.plan)
                return error_origin(-ENOMEM);
        int r = planner_read_machine_id(&p);
        if (r >= 0)
                r = planner_add_all(&p);
        if (r >= 0)
                r = planner_sort_caches(&p);
        if (r >= 0)
                r = planner_check_copies(&p);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p.plan);
        return 0;
}
