/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/cover.h"

#include "base/error.h"
#include "freshness/finding.h"
#include "tree/walk.h"

/* 1: PATH is covered; 0: it is not, whatever else may be wrong with it. */
static int is_covered(const FreshnessContext *c, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *resolved = NULL;
        int r = walk_resolve(&(Walk){.root = c->root->fd}, path, NULL, &fd, &resolved);
        return finding_is_shortage(r) ? r : r == -EXDEV;
}

static int note_if_covered(const FreshnessContext *c, const char *instance, const char *template,
                           char **covered) {
        _cleanup_free_ char *path = NULL;
        if (*covered)
                return 0;
        int r = plan_path(c->plan, template, instance, &path);
        if (r < 0)
                return r == -ENOMEM ? r : 0; /* no path, nothing to cover */
        r = is_covered(c, path);
        if (r > 0)
                *covered = TAKE_PTR(path);
        return r < 0 ? r : 0;
}

int cover_find(const FreshnessContext *c, const PlanCache *cache, char **ret) {
        assert(c && cache && ret);
        _cleanup_free_ char *covered = NULL;
        const ManifestCache *m = cache->cache;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < m->n_outputs; i++)
                r = note_if_covered(c, cache->instance, m->outputs[i], &covered);
        for (PlanSource s = {}; r >= 0 && plan_next_source(c->plan, cache, &s);)
                r = note_if_covered(c, s.instance, s.template, &covered);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(covered);
        return 0;
}
