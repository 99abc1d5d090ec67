/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A graph of items and places. A place is a declared path: a source's place has edges to the items that read
 * it, an output's place has edges from the item that writes it. A thousand outputs below one directory that a
 * thousand items read are thus two thousand edges, not a million: a hostile manifest cannot make it explode.
 * It refuses to know what a path leads to; links may make different paths mean the same. */

#include "manifest/order.h"

#include <sys/random.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, size, hash) memcpy(&(hash), (key), sizeof(hash)) /* the key is a hash already */
#include <uthash.h>
#include <xxhash.h>

#include "base/error.h"

#define DEPTH_MAX 2048U /* parts of a path of 4095 bytes */

typedef struct Place {
        XXH128_hash_t key;
        size_t vertex;
        size_t item; /* the first that declared it */
        UT_hash_handle hh;
} Place;

typedef struct Edge {
        size_t from, to;
} Edge;

struct Order {
        uint64_t seed; /* so that nobody can choose paths whose hashes collide */
        size_t n_items;
        size_t n_vertices;             /* items first, then places */
        Place *places[2];              /* by OrderKind */
        bool depths[2][DEPTH_MAX + 1]; /* at which a place exists: others need not be looked up */
        Edge *edges;
        size_t n_edges;
};

int order_new(size_t n_items, Order **ret) {
        assert(ret);
        Order *o = calloc(1, sizeof(*o));
        if (!o)
                return error_origin(-ENOMEM);
        /* the address is random as well, for a machine that has just started */
        if (getrandom(&o->seed, sizeof(o->seed), GRND_NONBLOCK) < 0)
                o->seed = (uintptr_t) o;
        o->n_items = o->n_vertices = n_items;
        *ret = o;
        return 0;
}

Order *order_free(Order *o) {
        if (!o)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(o->places); i++) {
                Place *p, *next;
                HASH_ITER (hh, o->places[i], p, next) {
                        HASH_DEL(o->places[i], p);
                        free(p);
                }
        }
        free(o->edges);
        free(o);
        return NULL;
}

static int order_add_edge(Order *o, size_t from, size_t to) {
        if (grow(o->edges, o->n_edges) < 0)
                return error_origin(-ENOMEM);
        o->edges[o->n_edges++] = (Edge){from, to};
        return 0;
}

static Place *order_find_place(const Order *o, OrderKind kind, XXH128_hash_t key) {
        Place *p;
        HASH_FIND(hh, o->places[kind], &key, sizeof(key), p);
        return p;
}

/* Walks down a path part by part, with the hash of everything passed: each part is hashed with the hash of
 * what precedes it as its seed. */
typedef struct Descent {
        XXH128_hash_t key, scope; /* of no scope: 0 */
        const char *rest;
        size_t depth;
        bool scoped; /* passed a %i */
} Descent;

static void descent_init(Descent *d, const Order *o, const OrderPath *path) {
        *d = (Descent){.key.low64 = o->seed, .rest = path->path};
        if (path->scope)
                d->scope = XXH3_128bits(path->scope, strlen(path->scope));
}

/* Proceeds to the next part. False: there is none. */
static bool descent_next(Descent *d) {
        if (!*d->rest)
                return false;
        size_t n = (size_t) (strchrnul(d->rest + 1, '/') - d->rest);
        d->key = XXH3_128bits_withSeed(d->rest, n, d->key.low64);
        d->scoped = d->scoped || memmem(d->rest, n, "%i", 2);
        d->rest += n;
        d->depth++;
        return true;
}

static XXH128_hash_t descent_key(const Descent *d) {
        XXH128_hash_t key = d->key;
        if (d->scoped) {
                key.low64 ^= d->scope.low64;
                key.high64 ^= d->scope.high64;
        }
        return key;
}

static int order_add_place(Order *o, OrderKind kind, const Descent *d, size_t item, Place **ret) {
        Place *p = calloc(1, sizeof(*p));
        if (!p)
                return error_origin(-ENOMEM);
        *p = (Place){.key = descent_key(d), .vertex = o->n_vertices, .item = item};
        HASH_ADD(hh, o->places[kind], key, sizeof(p->key), p);
        if (!p->hh.tbl) { /* the only indication that memory ran out */
                free(p);
                return error_origin(-ENOMEM);
        }
        o->n_vertices++;
        o->depths[kind][MIN(d->depth, DEPTH_MAX)] = true;
        *ret = p;
        return 0;
}

int order_declare(Order *o, size_t item, const OrderPath *path, size_t *ret_other) {
        assert(o && item < o->n_items && path && path->path[0] == '/' && ret_other);
        Descent d;
        descent_init(&d, o, path);
        while (descent_next(&d))
                ;
        Place *p = order_find_place(o, path->kind, descent_key(&d));
        if (p && path->kind == ORDER_OUTPUT) {
                *ret_other = p->item;
                return -EEXIST; /* an outcome */
        }
        if (!p && order_add_place(o, path->kind, &d, item, &p) < 0)
                return -ENOMEM;
        return path->kind == ORDER_SOURCE ? order_add_edge(o, p->vertex, item)
                                          : order_add_edge(o, item, p->vertex);
}

int order_connect(Order *o, size_t item, const OrderPath *path) {
        assert(o && item < o->n_items && path && path->path[0] == '/');
        OrderKind other = path->kind == ORDER_SOURCE ? ORDER_OUTPUT : ORDER_SOURCE;
        Descent d;
        descent_init(&d, o, path);
        while (descent_next(&d)) {
                if (!o->depths[other][MIN(d.depth, DEPTH_MAX)])
                        continue;
                const Place *p = order_find_place(o, other, descent_key(&d));
                if (!p)
                        continue;
                int r = path->kind == ORDER_OUTPUT ? order_add_edge(o, item, p->vertex)
                                                   : order_add_edge(o, p->vertex, item);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The edges of each vertex side by side: those of V are targets[first[v]] to targets[first[v + 1] - 1]. */
typedef struct Adjacency {
        size_t *first, *targets;
} Adjacency;

static void adjacency_done(Adjacency *a) {
        free(a->first);
        free(a->targets);
}

static int adjacency_init(Adjacency *a, const Order *o) {
        a->first = calloc(o->n_vertices + 2, sizeof(*a->first));
        a->targets = calloc(o->n_edges + 1, sizeof(*a->targets));
        if (!a->first || !a->targets)
                return error_origin(-ENOMEM);
        /* counted two places further: filling moves each start to where it belongs */
        for (size_t i = 0; i < o->n_edges; i++)
                a->first[o->edges[i].from + 2]++;
        for (size_t v = 0; v < o->n_vertices; v++)
                a->first[v + 2] += a->first[v + 1];
        for (size_t i = 0; i < o->n_edges; i++)
                a->targets[a->first[o->edges[i].from + 1]++] = o->edges[i].to;
        return 0;
}

/* Sets LEVELS to the longest path to each vertex and removes those done from PENDING (remaining edges);
 * whatever is left pending is in or after a cycle. QUEUE has room for all vertices. Returns how many were
 * done. */
static size_t order_find_levels(const Order *o, const Adjacency *a, size_t *pending, size_t *levels,
                                size_t *queue) {
        size_t head = 0, tail = 0;
        for (size_t i = 0; i < o->n_edges; i++)
                pending[o->edges[i].to]++;
        for (size_t v = 0; v < o->n_vertices; v++)
                if (pending[v] == 0)
                        queue[tail++] = v;
        while (head < tail) {
                size_t v = queue[head++];
                for (size_t i = a->first[v]; i < a->first[v + 1]; i++) {
                        size_t to = a->targets[i];
                        levels[to] = levels[v] + 1; /* the queue is in this order: the last is the highest */
                        if (--pending[to] == 0)
                                queue[tail++] = to;
                }
        }
        return tail;
}

/* Every pending vertex has a pending one before it: going back must end in a cycle. */
static size_t order_find_cycle(const Order *o, const size_t *pending, size_t *before, size_t *members) {
        size_t v = SIZE_MAX, n = 0, lowest = 0;
        for (size_t i = 0; i < o->n_edges; i++)
                if (pending[o->edges[i].from] > 0 && pending[o->edges[i].to] > 0) {
                        before[o->edges[i].to] = o->edges[i].from;
                        v = o->edges[i].to;
                }
        for (size_t i = 0; i < o->n_vertices; i++) /* after this many steps back, we are in it */
                v = before[v];
        for (size_t w = before[v];; w = before[w]) {
                if (w < o->n_items)
                        members[n++] = w;
                if (w == v)
                        break;
        }
        for (size_t i = 0; i < n / 2; i++) {
                size_t swap = members[i];
                members[i] = members[n - 1 - i];
                members[n - 1 - i] = swap;
        }
        for (size_t i = 0; i < n; i++)
                lowest = members[i] < members[lowest] ? i : lowest;
        for (size_t i = 0; i < lowest; i++) { /* start with the lowest, so that the message does not vary */
                size_t first = members[0];
                memmove(members, members + 1, (n - 1) * sizeof(*members));
                members[n - 1] = first;
        }
        return n;
}

static int order_compare_levels(const void *a, const void *b, void *userdata) {
        const size_t *levels = userdata;
        size_t x = *(const size_t *) a, y = *(const size_t *) b;
        if (levels[x] != levels[y])
                return levels[x] < levels[y] ? -1 : 1;
        return x < y ? -1 : x > y;
}

int order_sort(const Order *o, size_t **ret, size_t *ret_n) {
        assert(o && ret && ret_n);
        _cleanup_(adjacency_done) Adjacency a = {};
        _cleanup_free_ size_t *pending = calloc(o->n_vertices + 1, sizeof(*pending));
        _cleanup_free_ size_t *levels = calloc(o->n_vertices + 1, sizeof(*levels));
        _cleanup_free_ size_t *queue = calloc(o->n_vertices + 1, sizeof(*queue));
        _cleanup_free_ size_t *items = calloc(o->n_items + 1, sizeof(*items));
        if (!pending || !levels || !queue || !items || adjacency_init(&a, o) < 0)
                return error_origin(-ENOMEM);
        if (order_find_levels(o, &a, pending, levels, queue) < o->n_vertices) {
                *ret_n = order_find_cycle(o, pending, queue, items);
                *ret = TAKE_PTR(items);
                assert(*ret_n > 0);
                return -ELOOP; /* an outcome */
        }
        for (size_t i = 0; i < o->n_items; i++)
                items[i] = i;
        qsort_r(items, o->n_items, sizeof(*items), order_compare_levels, levels);
        *ret_n = o->n_items;
        *ret = TAKE_PTR(items);
        return 0;
}
