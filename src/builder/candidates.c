/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/candidates.h"

#include <fnmatch.h>

#include "base/error.h"
#include "base/path.h"
#include "freshness/finding.h"
#include "freshness/sight.h"
#include "tree/contain.h"

#define SKIPPED_MAX 512U

void candidates_done(Candidates *c) {
        for (size_t i = 0; i < c->n_skipped; i++)
                free(c->skipped[i].path);
        free(c->skipped);
        learned_done(&c->list);
        c->outputs = strv_free(c->outputs);
        *c = CANDIDATES_NULL;
}

int candidates_add(Candidates *c, LearnedKind kind, const char *path) {
        _cleanup_strv_free_ char **words = NULL;
        int r = strv_extend(&words, path);
        if (r < 0 || grow(c->list.items, c->list.n_items) < 0)
                return error_origin(-ENOMEM);
        c->list.items[c->list.n_items++] = (LearnedItem){.kind = kind, .words = TAKE_PTR(words)};
        return 0;
}

void candidates_sort(Candidates *c) {
        Learned *l = &c->list;
        size_t n = 0;
        learned_sort(l);
        for (size_t i = 0; i < l->n_items; i++) {
                LearnedItem *item = &l->items[i];
                if (n > 0 && l->items[n - 1].kind == item->kind &&
                    streq(l->items[n - 1].words[0], item->words[0]))
                        strv_free(item->words);
                else
                        l->items[n++] = *item;
        }
        l->n_items = n;
}

static int candidates_skip(Candidates *c, const char *path, const char *why) {
        if (c->n_skipped >= SKIPPED_MAX)
                return 0;
        char *copy = strdup(path);
        if (!copy || grow(c->skipped, c->n_skipped) < 0) {
                free(copy);
                return error_origin(-ENOMEM);
        }
        c->skipped[c->n_skipped++] = (Skipped){copy, why};
        return 0;
}

bool candidates_have_output(const Candidates *c, const char *path) {
        for (char *const *o = c->outputs; o && *o; o++)
                if (path_is_at_or_above(*o, path))
                        return true;
        return false;
}

/* Where something else is mounted as soon as the system runs. */
static bool path_is_temporary(const char *path) {
        static const char *const folders[] = {"/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp"};
        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                if (path_is_at_or_above(folders[i], path))
                        return true;
        return false;
}

/* Every package adds or removes a name there. */
static bool is_shared_folder(const char *path) {
        static const char *const patterns[] = {
                "/etc",
                "/bin",
                "/sbin",
                "/lib",
                "/lib64",
                "/lib/*-linux-*",
                "/usr/bin",
                "/usr/sbin",
                "/usr/lib",
                "/usr/lib64",
                "/usr/lib/*-linux-*",
        };
        for (size_t i = 0; i < ELEMENTSOF(patterns); i++)
                if (fnmatch(patterns[i], path, FNM_PATHNAME) == 0)
                        return true;
        return false;
}

/* NULL: it counts. */
static const char *reason_to_skip(const Subject *s, const Candidates *c, const TraceItem *item) {
        if (candidates_have_output(c, item->path))
                return "output";
        if (sight_ignores(s->cache->definition, item->path) || !contain_path_is_valid(item->path))
                return "ignored";
        if (path_is_temporary(item->path))
                return "temporary";
        return item->kinds & TRACE_WRITTEN ? "written" : NULL;
}

static int candidates_take(Candidates *c, const TraceItem *item) {
        unsigned kinds = item->kinds;
        int r = 0;
        if (kinds & TRACE_READ)
                r = candidates_add(c, LEARNED_READ, item->path);
        if (r >= 0 && kinds & TRACE_LISTED)
                r = is_shared_folder(item->path) ? candidates_skip(c, item->path, "shared-folder")
                                                 : candidates_add(c, LEARNED_LIST, item->path);
        if (r >= 0 && kinds & TRACE_LINK)
                r = candidates_add(c, LEARNED_LINK, item->path);
        if (r < 0 || kinds & (TRACE_READ | TRACE_LISTED | TRACE_LINK) || streq(item->path, "/"))
                return r;
        return candidates_add(c, kinds & TRACE_LOOKED ? LEARNED_LOOK : LEARNED_MISS, item->path);
}

/* The folder of libraries of this architecture, where there is one: `x86_64-linux-gnu`. */
static int find_triplet(const Trace *trace, char **ret) {
        static const char above[] = "/usr/lib/";
        for (size_t i = 0; i < trace->n; i++) {
                const char *name = startswith(trace->items[i].path, above);
                if (!name || fnmatch("*-linux-*/*", name, FNM_PATHNAME) != 0)
                        continue;
                char *triplet = strndup(name, strcspn(name, "/"));
                if (!triplet)
                        return error_origin(-ENOMEM);
                *ret = triplet;
                return 1;
        }
        return 0;
}

/* A library that is installed here goes before that of a package. The loader knows it from its cache alone,
 * which does not count since each package with a library changes it; these folders change seldom. */
static int candidates_add_local_libraries(Candidates *c, const Trace *trace) {
        const TraceItem *cache = trace_find(trace, "/etc/ld.so.cache");
        if (!cache || !(cache->kinds & TRACE_READ))
                return 0;
        _cleanup_free_ char *triplet = NULL, *own = NULL;
        int r = find_triplet(trace, &triplet);
        if (r > 0 && asprintf(&own, "/usr/local/lib/%s", triplet) < 0)
                r = error_origin(-ENOMEM);
        if (r > 0)
                r = candidates_add(c, LEARNED_LIST, own);
        if (r >= 0)
                r = candidates_add(c, LEARNED_LIST, "/usr/local/lib");
        return r < 0 ? r : candidates_add(c, LEARNED_LIST, "/usr/local/lib64");
}

int candidates_choose(const Subject *subject, const Trace *trace, Candidates *ret) {
        assert(subject->cache && trace && ret);
        _cleanup_(candidates_done) Candidates c = CANDIDATES_NULL;
        int r = plan_outputs(subject->context->plan, subject->cache, &c.outputs);
        for (size_t i = 0; r >= 0 && i < trace->n; i++) {
                const char *why = reason_to_skip(subject, &c, &trace->items[i]);
                r = why ? candidates_skip(&c, trace->items[i].path, why)
                        : candidates_take(&c, &trace->items[i]);
        }
        if (r >= 0)
                r = candidates_add_local_libraries(&c, trace);
        if (r < 0)
                return r;
        candidates_sort(&c);
        *ret = c;
        c = CANDIDATES_NULL;
        return 0;
}
