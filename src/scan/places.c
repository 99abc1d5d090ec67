/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/places.h"

#include "base/error.h"
#include "base/path.h"
#include "base/report.h"
#include "freshness/finding.h"
#include "tree/walk.h"

typedef struct PlaceList {
        int root;
        const Plan *plan;
        StrvBuilder paths;
} PlaceList;

/* If it cannot be resolved, something mounted in the path may be the reason: it is used as written. */
static int place_list_resolve(const PlaceList *l, char **path) {
        _cleanup_close_ int fd = -EBADF;
        char *resolved = NULL;
        int r = walk_resolve(&(Walk){.root = l->root}, *path, NULL, &fd, &resolved);
        if (r < 0)
                return finding_is_shortage(r) ? r : 0;
        free(*path);
        *path = resolved;
        return 0;
}

static int place_list_add(PlaceList *l, const char *template, const char *instance) {
        _cleanup_free_ char *path = NULL;
        int r = plan_path(l->plan, template, instance, &path);
        if (r >= 0)
                r = place_list_resolve(l, &path);
        return r < 0 ? r : strv_builder_push(&l->paths, TAKE_PTR(path));
}

static int place_list_add_cache(PlaceList *l, const PlanCache *cache) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < cache->cache->n_sources; i++)
                if (cache->cache->sources[i].path) /* else among the outputs */
                        r = place_list_add(l, cache->cache->sources[i].path, cache->instance);
        for (size_t i = 0; r >= 0 && i < cache->cache->n_outputs; i++)
                r = place_list_add(l, cache->cache->outputs[i], cache->instance);
        return r;
}

static int compare_places(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool is_within_one(char *const *places, const char *path) {
        for (; places && *places; places++)
                if (path_is_at_or_above(*places, path))
                        return true;
        return false;
}

/* Those of PATHS that are not below another one, or everything. When sorted, a path comes after those above
 * it. */
static int reduce_places(char **paths, size_t max, char ***ret) {
        _cleanup_strv_free_ char **places = NULL;
        size_t n = 0;
        int r = 0;
        if (paths)
                qsort(paths, strv_length(paths), sizeof(*paths), compare_places);
        for (; r >= 0 && paths && *paths; paths++) {
                if (is_within_one(places, *paths))
                        continue;
                if (n++ == max) {
                        places = strv_free(places);
                        r = strv_extend(&places, "/");
                        break;
                }
                r = strv_extend(&places, *paths);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(places);
        return 0;
}

int places_of_plan(int root, const Plan *plan, size_t max, char ***ret) {
        PlaceList l = {.root = root, .plan = plan};
        _cleanup_strv_free_ char **paths = NULL;
        int r = 0;
        assert(root >= 0 && plan && max > 0 && ret);
        for (size_t i = 0; r >= 0 && i < plan->n_caches; i++)
                r = place_list_add_cache(&l, &plan->caches[i]);
        for (size_t i = 0; r >= 0 && i < plan->n_copies; i++)
                r = place_list_add(&l, plan->copies[i].copy->from, plan->copies[i].instance);
        if (r >= 0)
                r = strv_builder_finish(&l.paths, &paths);
        strv_builder_done(&l.paths);
        return r < 0 ? r : reduce_places(paths, max, ret);
}

int places_print(FILE *f, char *const *places) {
        int r = 0;
        for (; r >= 0 && places && *places; places++)
                r = report_print(f, "PLACE", *places, NULL);
        return r;
}
