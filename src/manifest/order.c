/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A graph of items and places. A place is a declared path, or a group: a source's place has edges to the
 * items that read it, an output's place has edges from the item that writes it. A thousand outputs below one
 * directory that a thousand items read are thus two thousand edges, not a million: a hostile manifest cannot
 * make it explode. It refuses to know what a path leads to; links may make different paths mean the same. */

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
        Place *groups;                 /* by name */
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

static void places_free(Place *all) {
        Place *p, *next;
        HASH_ITER (hh, all, p, next) {
                HASH_DEL(all, p);
                free(p);
        }
}

Order *order_free(Order *o) {
        if (!o)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(o->places); i++)
                places_free(o->places[i]);
        places_free(o->groups);
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

static Place *place_find(Place *places, XXH128_hash_t key) {
        Place *p;
        HASH_FIND(hh, places, &key, sizeof(key), p);
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

static int order_add_vertex(Order *o, Place **places, XXH128_hash_t key, Place **ret) {
        Place *p = calloc(1, sizeof(*p));
        if (!p)
                return error_origin(-ENOMEM);
        *p = (Place){.key = key, .vertex = o->n_vertices};
        HASH_ADD(hh, *places, key, sizeof(p->key), p);
        if (!p->hh.tbl) { /* the only indication that memory ran out */
                free(p);
                return error_origin(-ENOMEM);
        }
        o->n_vertices++;
        *ret = p;
        return 0;
}

static int order_add_place(Order *o, OrderKind kind, const Descent *d, size_t item, Place **ret) {
        int r = order_add_vertex(o, &o->places[kind], descent_key(d), ret);
        if (r < 0)
                return r;
        (*ret)->item = item;
        o->depths[kind][MIN(d->depth, DEPTH_MAX)] = true;
        return 0;
}

int order_declare(Order *o, size_t item, const OrderPath *path, size_t *ret_other) {
        assert(o && item < o->n_items && path && path->path[0] == '/' && ret_other);
        Descent d;
        descent_init(&d, o, path);
        while (descent_next(&d))
                ;
        Place *p = place_find(o->places[path->kind], descent_key(&d));
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
                const Place *p = place_find(o->places[other], descent_key(&d));
                if (!p)
                        continue;
                int r = path->kind == ORDER_OUTPUT ? order_add_edge(o, item, p->vertex)
                                                   : order_add_edge(o, p->vertex, item);
                if (r < 0)
                        return r;
        }
        return 0;
}

int order_join(Order *o, size_t item, OrderKind kind, const char *group) {
        assert(o && item < o->n_items && group);
        XXH128_hash_t key = XXH3_128bits_withSeed(group, strlen(group), o->seed);
        Place *p = place_find(o->groups, key);
        if (!p && order_add_vertex(o, &o->groups, key, &p) < 0)
                return -ENOMEM;
        return kind == ORDER_SOURCE ? order_add_edge(o, p->vertex, item) : order_add_edge(o, item, p->vertex);
}

int order_precede(Order *o, size_t first, size_t then) {
        assert(o && first < o->n_items && then < o->n_items);
        return order_add_edge(o, first, then);
}

bool order_forget(Order *o, size_t first, size_t then) {
        assert(o && first < o->n_items && then < o->n_items);
        for (size_t i = 0; i < o->n_edges; i++)
                if (o->edges[i].from == first && o->edges[i].to == then) {
                        o->edges[i] = o->edges[--o->n_edges];
                        return true;
                }
        return false;
}

/* The vertices before each one side by side: those of V are before[first[v]] to before[first[v + 1] - 1]. */
typedef struct Adjacency {
        size_t *first, *before;
} Adjacency;

static void adjacency_done(Adjacency *a) {
        free(a->first);
        free(a->before);
}

static int adjacency_init(Adjacency *a, const Order *o) {
        a->first = calloc(o->n_vertices + 2, sizeof(*a->first));
        a->before = calloc(o->n_edges + 1, sizeof(*a->before));
        if (!a->first || !a->before)
                return error_origin(-ENOMEM);
        /* counted two places further: filling moves each start to where it belongs */
        for (size_t i = 0; i < o->n_edges; i++)
                a->first[o->edges[i].to + 2]++;
        for (size_t v = 0; v < o->n_vertices; v++)
                a->first[v + 2] += a->first[v + 1];
        for (size_t i = 0; i < o->n_edges; i++)
                a->before[a->first[o->edges[i].to + 1]++] = o->edges[i].from;
        return 0;
}

/* From the last item to the first. */
typedef struct Sorting {
        const Order *order;
        size_t *pending; /* how many edges of a vertex lead to one that has no position yet */
        char *ready;     /* items that nothing pending comes after */
        size_t *places;  /* likewise, a stack */
        size_t n_places;
} Sorting;

static void sorting_done(Sorting *s) {
        free(s->pending);
        free(s->ready);
        free(s->places);
}

static int sorting_init(Sorting *s, const Order *o) {
        *s = (Sorting){
                .order = o,
                .pending = calloc(o->n_vertices + 1, sizeof(*s->pending)),
                .ready = calloc(o->n_items + 1, sizeof(*s->ready)),
                .places = calloc(o->n_vertices + 1, sizeof(*s->places)),
        };
        if (!s->pending || !s->ready || !s->places)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < o->n_edges; i++)
                s->pending[o->edges[i].from]++;
        return 0;
}

static void sorting_release(Sorting *s, size_t v) {
        if (v < s->order->n_items)
                s->ready[v] = 1;
        else
                s->places[s->n_places++] = v;
}

/* The highest item that may come last of those without a position. False: there is none. */
static bool sorting_take(Sorting *s, size_t *ret) {
        char *last = memrchr(s->ready, 1, s->order->n_items);
        if (!last)
                return false;
        *last = 0;
        *ret = (size_t) (last - s->ready);
        return true;
}

/* Fills ITEMS from its end. Returns how many got no position: they are in a cycle or before one. Giving the
 * last position to the highest item each time gives the lowest ones the first possible. */
static size_t sorting_fill(Sorting *s, const Adjacency *a, size_t *items) {
        size_t left = s->order->n_items, v;
        for (v = 0; v < s->order->n_vertices; v++)
                if (s->pending[v] == 0)
                        sorting_release(s, v);
        for (;;) {
                if (s->n_places > 0)
                        v = s->places[--s->n_places];
                else if (sorting_take(s, &v))
                        items[--left] = v;
                else
                        return left;
                for (size_t i = a->first[v]; i < a->first[v + 1]; i++)
                        if (--s->pending[a->before[i]] == 0)
                                sorting_release(s, a->before[i]);
        }
}

/* Every pending vertex has a pending one after it: going on must end in a cycle. AFTER has room for all
 * vertices. */
static size_t order_find_cycle(const Order *o, const size_t *pending, size_t *after, size_t *members) {
        size_t v = SIZE_MAX, n = 0, lowest = 0;
        for (size_t i = 0; i < o->n_edges; i++)
                if (pending[o->edges[i].from] > 0 && pending[o->edges[i].to] > 0) {
                        after[o->edges[i].from] = o->edges[i].to;
                        v = o->edges[i].from;
                }
        for (size_t i = 0; i < o->n_vertices; i++) /* after this many steps, we are in it */
                v = after[v];
        for (size_t w = after[v];; w = after[w]) {
                if (w < o->n_items)
                        members[n++] = w;
                if (w == v)
                        break;
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

int order_sort(const Order *o, size_t **ret, size_t *ret_n) {
        assert(o && ret && ret_n);
        _cleanup_(adjacency_done) Adjacency a = {};
        _cleanup_(sorting_done) Sorting s = {};
        _cleanup_free_ size_t *items = calloc(o->n_items + 1, sizeof(*items));
        if (!items || sorting_init(&s, o) < 0 || adjacency_init(&a, o) < 0)
                return error_origin(-ENOMEM);
        if (sorting_fill(&s, &a, items) > 0) {
                *ret_n = order_find_cycle(o, s.pending, s.places, items);
                *ret = TAKE_PTR(items);
                assert(*ret_n > 0);
                return -ELOOP; /* an outcome */
        }
        *ret_n = o->n_items;
        *ret = TAKE_PTR(items);
        return 0;
}
