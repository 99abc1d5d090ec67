/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of an earlier set that are in the way of a wanted one: a file where a directory is needed, or the
 * reverse. Here old and new cannot coexist. A misc file may be removed first: nothing boots less without it.
 * Any other is part of what boots now, so a person has to decide. What is not ours is kept in any case. */

#include "builder/transaction/obstacles.h"

#include "base/error.h"
#include "base/failure.h"
#include "base/path.h"

#define PATH_SIZE 4096U

typedef struct Obstacles {
        PlanDraft *draft;
        bool *cleared; /* for each wanted file */
        char **reterr;
} Obstacles;

/* The value in M of a directory in PATH. */
static const void *find_above(const NameMap *m, const char *path) {
        char above[PATH_SIZE];
        assert(strlen(path) < sizeof(above));
        (void) snprintf(above, sizeof(above), "%s", path);
        while (path_cut_last(above)) {
                const void *value = name_map_get(m, above);
                if (value)
                        return value;
        }
        return NULL;
}

/* PATH may be part of what boots now if it belongs to the old set or to one that an interrupted build has
 * switched to. */
static bool may_be_needed(const PlanDraft *d, const char *path) {
        const CarriedFile *carried = claim_carried(d->in->claim, path);
        return (carried && carried->role != ROLE_MISC) || seen_set_names(d->in->entries, path) ||
               seen_set_names(d->in->left, path);
}

static int refuse_blocked(const Obstacles *o, const WantedFile *wanted) {
        return failure(o->reterr, -EEXIST,
                       "%s cannot be written: there is a directory in its place, or a file in its path, that "
                       "bootkeep did not write",
                       wanted->path);
}

/* PATH is removed to make way for WANTED. */
static int clear_for(Obstacles *o, const char *path, const WantedFile *wanted) {
        PlanDraft *d = o->draft;
        size_t i = (size_t) (wanted - d->in->wanted->items);
        if (!d->in->views[i].blocked)
                return 0;
        if (!claim_covers(d->in->claim, path, NULL))
                return wanted->role == ROLE_MISC ? 0 : refuse_blocked(o, wanted);
        if (!d->in->force && may_be_needed(d, path))
                return failure(o->reterr, -EPERM,
                               "%s is in the way of %s and would have to be removed first (use --force if "
                               "this is intended)",
                               path, wanted->path);
        o->cleared[i] = true;
        return plandraft_drops(d, path) ? 0 : plandraft_drop(d, path);
}

/* PATH may be below a wanted file. */
static int clear_below(Obstacles *o, const char *path) {
        const WantedFile *wanted = find_above(&o->draft->wanted, path);
        return wanted ? clear_for(o, path, wanted) : 0;
}

static int clear_all_below(Obstacles *o) {
        const HelperPlanInput *in = o->draft->in;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < in->record->carried.n; i++)
                r = clear_below(o, in->record->carried.items[i].path);
        for (size_t i = 0; r >= 0 && i < in->left->n; i++)
                r = clear_below(o, in->left->items[i].path);
        return r;
}

/* WANTED may be below a carried or leftover file. */
static int clear_above(Obstacles *o, const WantedFile *wanted, const NameMap *left) {
        const CarriedFile *carried = find_above(&o->draft->in->claim->carried, wanted->path);
        int r = carried ? clear_for(o, carried->path, wanted) : 0;
        if (r < 0)
                return r;
        const SeenFile *seen = find_above(left, wanted->path);
        return seen ? clear_for(o, seen->path, wanted) : 0;
}

static int clear_all_above(Obstacles *o) {
        _cleanup_(name_map_done) NameMap left = NAME_MAP_NULL;
        const WantedSet *wanted = o->draft->in->wanted;
        int r = seen_set_map(o->draft->in->left, &left);
        for (size_t i = 0; r >= 0 && i < wanted->n; i++)
                r = clear_above(o, &wanted->items[i], &left);
        return r;
}

static int refuse_the_rest(const Obstacles *o) {
        const HelperPlanInput *in = o->draft->in;
        for (size_t i = 0; i < in->wanted->n; i++)
                if (in->views[i].blocked && !o->cleared[i] && in->wanted->items[i].role != ROLE_MISC)
                        return refuse_blocked(o, &in->wanted->items[i]);
        return 0;
}

int obstacles_drop(PlanDraft *d, char **reterr) {
        assert(d->plan->n_steps == 0 && d->drop.n == 0);
        _cleanup_free_ bool *cleared = calloc(d->in->wanted->n + 1, sizeof(*cleared));
        if (!cleared)
                return error_origin(-ENOMEM);
        Obstacles o = {.draft = d, .cleared = cleared, .reterr = reterr};
        int r = clear_all_below(&o);
        if (r >= 0)
                r = clear_all_above(&o);
        return r < 0 ? r : refuse_the_rest(&o);
}
