/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A complete plan (see plan-make.c): what it says about paths and helpers. */

#include "manifest/plan.h"

#include "base/error.h"
#include "manifest/refusal.h"
#include "manifest/template.h"

Plan *plan_free(Plan *p) {
        if (!p)
                return NULL;
        free(p->caches);
        free(p->copies);
        free(p->machine_id);
        strv_free(p->instances);
        free(p);
        return NULL;
}

int plan_check_running(const Plan *plan, const Manifest *manifest, char **reterr) {
        assert(plan && manifest && reterr);
        for (size_t i = 0; i < plan->n_caches; i++) {
                const PlanCache *c = &plan->caches[i];
                if (c->definition->running_system_only)
                        return refusal(reterr, manifest->path, c->cache->line,
                                       "builder \"%s\" of cache \"%s\" looks at the machine that it runs on, "
                                       "and this volume is not the running system (RunningSystemOnly=yes)",
                                       c->definition->name, c->cache->name);
        }
        return 0;
}

int plan_path(const Plan *plan, const char *template, const char *instance, char **ret) {
        assert(plan && template && ret);
        char buffer[TEMPLATE_PATH_MAX + 1];
        int r = template_expand(template, instance, plan->machine_id, buffer);
        if (r < 0)
                return r;
        char *path = strdup(buffer);
        if (!path)
                return error_origin(-ENOMEM);
        *ret = path;
        return 0;
}

/* The next output of those that the source S names. */
static bool plan_next_output(const Plan *plan, PlanSource *s) {
        for (; s->cache < plan->n_caches; s->cache++, s->output = 0) {
                const PlanCache *from = &plan->caches[s->cache];
                if (from->cache != s->source->from || s->output >= from->cache->n_outputs)
                        continue;
                s->template = from->cache->outputs[s->output++];
                s->instance = from->instance;
                return true;
        }
        return false;
}

bool plan_next_source(const Plan *plan, const PlanCache *pc, PlanSource *s) {
        assert(plan && pc && s);
        if (s->source && s->source->from && plan_next_output(plan, s))
                return true;
        while (s->next < pc->cache->n_sources) {
                s->source = &pc->cache->sources[s->next++];
                s->template = s->source->path;
                s->instance = pc->instance;
                s->cache = s->output = 0;
                if (!s->source->from || plan_next_output(plan, s))
                        return true;
        }
        return false;
}

int plan_outputs(const Plan *plan, const PlanCache *pc, char ***ret) {
        assert(plan && pc && ret);
        int r = 0;
        for (size_t i = 0; r >= 0 && i < pc->cache->n_outputs; i++) {
                char *path = NULL;
                r = plan_path(plan, pc->cache->outputs[i], pc->instance, &path);
                if (r >= 0)
                        r = strv_push(ret, path);
        }
        return r;
}

bool plan_names_cache(const PlanCache *pc, const PlanCache *other) {
        assert(pc && other);
        for (size_t i = 0; i < pc->cache->n_sources; i++)
                if (pc->cache->sources[i].from == other->cache)
                        return true;
        return false;
}

bool plan_copy_is_for(const PlanCopy *copy, HelperType type, bool disk_has_xbootldr) {
        assert(copy && type >= 0 && type < _HELPER_TYPE_MAX);
        if (copy->copy->helper == type)
                return true;
        return copy->copy->helper == HELPER_XBOOTLDR && type == HELPER_ESP && !disk_has_xbootldr;
}
