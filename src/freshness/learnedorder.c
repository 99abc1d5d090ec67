/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The outputs of all caches are sorted by path, and everything that was learned is looked up in them. */

#include "freshness/learnedorder.h"

#include "base/error.h"
#include "freshness/finding.h"
#include "freshness/learned.h"

#define EDGES_MAX 65536U /* more than that is no boot */

typedef struct KnownOutput {
        char *path;
        size_t cache; /* of the plan */
} KnownOutput;

typedef struct LearnedOrder {
        const FreshnessContext *context;
        KnownOutput *outputs;
        size_t n_outputs;
        PlanEdge *edges;
        size_t n_edges;
        bool *seen; /* the caches that the one at hand was found to be made from */
        size_t cache;
} LearnedOrder;

static void learned_order_done(LearnedOrder *o) {
        for (size_t i = 0; i < o->n_outputs; i++)
                free(o->outputs[i].path);
        free(o->outputs);
        free(o->edges);
        free(o->seen);
}

static int compare_outputs(const void *a, const void *b) {
        return strcmp(((const KnownOutput *) a)->path, ((const KnownOutput *) b)->path);
}

static int learned_order_add_outputs(LearnedOrder *o, size_t cache) {
        const PlanCache *c = &o->context->plan->caches[cache];
        int r = 0;
        for (size_t i = 0; r >= 0 && i < c->cache->n_outputs; i++) {
                char *path = NULL;
                r = plan_path(o->context->plan, c->cache->outputs[i], c->instance, &path);
                if (r < 0)
                        return r;
                if (grow(o->outputs, o->n_outputs) < 0) {
                        free(path);
                        return error_origin(-ENOMEM);
                }
                o->outputs[o->n_outputs++] = (KnownOutput){path, cache};
        }
        return r;
}

/* The one at hand is made from what CACHE makes. */
static int learned_order_note(LearnedOrder *o, size_t cache) {
        const PlanCache *caches = o->context->plan->caches;
        if (o->seen[cache] || caches[cache].cache == caches[o->cache].cache || o->n_edges >= EDGES_MAX)
                return 0;
        if (grow(o->edges, o->n_edges) < 0)
                return error_origin(-ENOMEM);
        o->edges[o->n_edges++] = (PlanEdge){.first = cache, .then = o->cache};
        o->seen[cache] = true;
        return 0;
}

/* The first output whose path is not before PATH. */
static size_t learned_order_find(const LearnedOrder *o, const char *path) {
        size_t low = 0, high = o->n_outputs;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(o->outputs[middle].path, path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* PATH, or a folder above it, may be an output. */
static int learned_order_look_up(LearnedOrder *o, const char *path) {
        char part[PLACE_PATH_ROOM];
        int r = 0;
        for (const char *end = path; r >= 0 && *end;) {
                end = strchrnul(end + 1, '/');
                if ((size_t) (end - path) >= sizeof(part))
                        return 0;
                *(char *) mempcpy(part, path, (size_t) (end - path)) = 0;
                size_t i = learned_order_find(o, part);
                if (i < o->n_outputs && streq(o->outputs[i].path, part))
                        r = learned_order_note(o, o->outputs[i].cache);
        }
        return r;
}

/* Which outputs are names in FOLDER? */
static int learned_order_look_into(LearnedOrder *o, const char *folder) {
        char start[PLACE_PATH_ROOM + 1];
        size_t n = streq(folder, "/") ? 0 : strlen(folder);
        int r = 0;
        if (n + 2 > sizeof(start))
                return 0;
        *(char *) mempcpy(mempcpy(start, folder, n), "/", 1) = 0;
        for (size_t i = learned_order_find(o, start); r >= 0 && i < o->n_outputs; i++) {
                const char *name = startswith(o->outputs[i].path, start);
                if (!name)
                        break;
                if (!strchr(name, '/'))
                        r = learned_order_note(o, o->outputs[i].cache);
        }
        return r;
}

static int learned_order_add_list(LearnedOrder *o, const Learned *list) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < list->n_items; i++) {
                const LearnedItem *item = &list->items[i];
                r = learned_order_look_up(o, item->words[0]);
                if (r >= 0 && item->kind == LEARNED_LIST)
                        r = learned_order_look_into(o, item->words[0]);
        }
        return r;
}

static int learned_order_add_cache(LearnedOrder *o, size_t cache) {
        const Subject subject = {.context = o->context, .cache = &o->context->plan->caches[cache]};
        _cleanup_(learned_done) Learned list = LEARNED_NULL;
        _cleanup_(stamp_freep) Stamp *head = NULL;
        int r = subject_read_head(&subject, &head);
        if (r < 0 || !head)
                return r;
        r = learned_read(head, &list);
        if (r < 0)
                return r;
        o->cache = cache;
        memset(o->seen, 0, o->context->plan->n_caches * sizeof(*o->seen));
        return learned_order_add_list(o, &list);
}

int learned_order_read(const FreshnessContext *c, PlanEdge **ret, size_t *ret_n) {
        assert(c && ret && ret_n);
        _cleanup_(learned_order_done)
                LearnedOrder o = {.context = c, .seen = calloc(c->plan->n_caches + 1, sizeof(*o.seen))};
        int r = o.seen ? 0 : error_origin(-ENOMEM);
        for (size_t i = 0; r >= 0 && i < c->plan->n_caches; i++)
                r = learned_order_add_outputs(&o, i);
        if (r >= 0 && o.outputs)
                qsort(o.outputs, o.n_outputs, sizeof(*o.outputs), compare_outputs);
        for (size_t i = 0; r >= 0 && i < c->plan->n_caches; i++)
                r = learned_order_add_cache(&o, i);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o.edges);
        *ret_n = o.n_edges;
        return 0;
}
