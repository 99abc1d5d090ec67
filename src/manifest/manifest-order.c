/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order among the caches as far as templates determine it: with the same each=, equal templates are equal
 * paths. What different patterns have in common is only known on the volume (plan-order.c). */

#include "manifest/manifest-order.h"

#include "base/error.h"
#include "manifest/order.h"
#include "manifest/refusal.h"

static const ManifestCache *manifest_find_cache(const Manifest *m, const char *name) {
        for (size_t i = 0; i < m->n_caches; i++)
                if (streq(m->caches[i].name, name))
                        return &m->caches[i];
        return NULL;
}

static int link_source(const Manifest *m, const ManifestCache *c, ManifestSource *s, char **reterr) {
        if (!s->cache)
                return 0;
        s->from = manifest_find_cache(m, s->cache);
        if (!s->from)
                return refusal(reterr, m->path, s->line, "there is no cache \"%s\"", s->cache);
        if (s->from == c)
                return refusal(reterr, m->path, s->line, "cache \"%s\" is its own source", s->cache);
        return 0;
}

int manifest_link_sources(Manifest *m, char **reterr) {
        assert(m && reterr);
        int r = 0;
        for (size_t i = 0; i < m->n_caches; i++)
                for (size_t j = 0; r >= 0 && j < m->caches[i].n_sources; j++)
                        r = link_source(m, &m->caches[i], &m->caches[i].sources[j], reterr);
        return r;
}

static int declare_outputs(const Manifest *m, Order *o, size_t i, char **reterr) {
        const ManifestCache *c = &m->caches[i];
        for (size_t j = 0; j < c->n_outputs; j++) {
                size_t other = 0;
                int r = order_declare(o, i, &(OrderPath){ORDER_OUTPUT, c->each, c->outputs[j]}, &other);
                if (r == -EEXIST)
                        return refusal(reterr, m->path, c->line,
                                       "output \"%.100s\" of cache \"%s\" is already an output of \"%s\"",
                                       c->outputs[j], c->name, m->caches[other].name);
                if (r < 0)
                        return r;
        }
        return order_join(o, i, ORDER_OUTPUT, c->name);
}

static int declare_sources(const Manifest *m, Order *o, size_t i) {
        const ManifestCache *c = &m->caches[i];
        size_t other = 0;
        int r = 0;
        for (size_t j = 0; r >= 0 && j < c->n_sources; j++)
                r = c->sources[j].cache
                            ? order_join(o, i, ORDER_SOURCE, c->sources[j].cache)
                            : order_declare(o, i, &(OrderPath){ORDER_SOURCE, c->each, c->sources[j].path},
                                            &other);
        return r;
}

static int connect_cache(const Manifest *m, Order *o, size_t i) {
        const ManifestCache *c = &m->caches[i];
        int r = 0;
        for (size_t j = 0; r >= 0 && j < c->n_outputs; j++)
                r = order_connect(o, i, &(OrderPath){ORDER_OUTPUT, c->each, c->outputs[j]});
        for (size_t j = 0; r >= 0 && j < c->n_sources; j++)
                if (c->sources[j].path)
                        r = order_connect(o, i, &(OrderPath){ORDER_SOURCE, c->each, c->sources[j].path});
        return r;
}

static int refuse_cycle_of_caches(const Manifest *m, const size_t *members, size_t n, char **reterr) {
        _cleanup_strv_free_ char **names = NULL;
        int r = 0;
        assert(members && n > 0);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = strv_extend(&names, m->caches[members[i]].name);
        return r < 0 ? r : refusal_of_cycle(reterr, m->path, m->caches[members[0]].line, names);
}

int manifest_check_order(const Manifest *m, char **reterr) {
        assert(m && reterr);
        _cleanup_(order_freep) Order *o = NULL;
        _cleanup_free_ size_t *members = NULL;
        size_t n = 0;
        int r = order_new(m->n_caches, &o);
        for (size_t i = 0; r >= 0 && i < m->n_caches; i++) {
                r = declare_outputs(m, o, i, reterr);
                if (r >= 0)
                        r = declare_sources(m, o, i);
        }
        for (size_t i = 0; r >= 0 && i < m->n_caches; i++)
                r = connect_cache(m, o, i);
        if (r >= 0)
                r = order_sort(o, &members, &n);
        return r == -ELOOP ? refuse_cycle_of_caches(m, members, n, reterr) : r;
}
