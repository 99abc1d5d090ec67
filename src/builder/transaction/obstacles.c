/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Here old and new cannot stand side by side. A misc file may go first: nothing boots less without it. Any
 * other is part of what boots now, so that is for a person to decide. */

#include "builder/transaction/obstacles.h"

#include "base/error.h"
#include "base/failure.h"
#include "base/path.h"

#define PATH_SIZE 4096U

typedef struct Obstacles {
        const HelperPlanInput *in;
        HelperIndex wanted, carried, left; /* by path */
        bool *cleared;                     /* for each that is wanted */
        char **found;                      /* strv */
        char **reterr;
} Obstacles;

static void obstacles_done(Obstacles *o) {
        helper_index_done(&o->wanted);
        helper_index_done(&o->carried);
        helper_index_done(&o->left);
        free(o->cleared);
        (void) strv_free(o->found);
}

/* The file of X that has the name of a directory on the way to PATH. */
static const HelperFile *find_above(const HelperIndex *x, const char *path) {
        char above[PATH_SIZE];

        (void) snprintf(above, sizeof(above), "%s", path);
        while (path_cut_last(above)) {
                const HelperFile *f = helper_index_find(x, above);
                if (f)
                        return f;
        }
        return NULL;
}

/* What boots now may be F, if F is of the old set or of one that an interrupted build has switched to. */
static bool may_be_needed(const Obstacles *o, const HelperFile *f) {
        const HelperFile *carried = helper_index_find(&o->carried, f->path);

        return (carried && carried->role != ROLE_MISC) || helper_set_names(o->in->entries, f->path) ||
               helper_set_names(o->in->left, f->path);
}

/* F goes, so that WANTED can come. */
static int clear(Obstacles *o, const HelperFile *f, const HelperFile *wanted) {
        size_t i = (size_t) (wanted - o->in->wanted->items);

        if (!o->in->views[i].blocked)
                return 0;
        if (!o->in->force && may_be_needed(o, f))
                return failure(o->reterr, -EPERM,
                               "%s is in the way of %s and would have to be removed first (use --force if "
                               "this is intended)",
                               f->path, wanted->path);
        o->cleared[i] = true;
        return strv_contains(o->found, f->path) ? 0 : strv_extend(&o->found, f->path);
}

/* Files of OLD that lie below a wanted file. */
static int clear_below(Obstacles *o, const HelperSet *old) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < old->n; i++) {
                const HelperFile *w = find_above(&o->wanted, old->items[i].path);
                r = w ? clear(o, &old->items[i], w) : 0;
        }
        return r;
}

/* Files of OLD that a wanted file lies below. */
static int clear_above(Obstacles *o, const HelperIndex *old) {
        const HelperSet *wanted = o->in->wanted;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < wanted->n; i++) {
                const HelperFile *f = o->in->views[i].blocked ? find_above(old, wanted->items[i].path) : NULL;
                r = f ? clear(o, f, &wanted->items[i]) : 0;
        }
        return r;
}

static int complain_of_the_rest(const Obstacles *o) {
        for (size_t i = 0; i < o->in->wanted->n; i++) {
                const HelperFile *f = &o->in->wanted->items[i];
                if (o->in->views[i].blocked && !o->cleared[i] && f->role != ROLE_MISC)
                        return failure(o->reterr, -EEXIST,
                                       "%s cannot be written: there is a directory in its place, or a file "
                                       "in its path, that bootkeep did not write",
                                       f->path);
        }
        return 0;
}

static bool any_blocked(const HelperPlanInput *in) {
        for (size_t i = 0; i < in->wanted->n; i++)
                if (in->views[i].blocked)
                        return true;
        return false;
}

int obstacles_find(const HelperPlanInput *in, char ***ret, char **reterr) {
        _cleanup_(obstacles_done) Obstacles o = {.in = in, .reterr = reterr};
        int r;

        if (!any_blocked(in))
                return 0;
        o.cleared = calloc(in->wanted->n, sizeof(*o.cleared));
        if (!o.cleared || helper_index_init(&o.wanted, in->wanted, HELPER_KEY_PATH) < 0 ||
            helper_index_init(&o.carried, &in->record->carried, HELPER_KEY_PATH) < 0 ||
            helper_index_init(&o.left, in->left, HELPER_KEY_PATH) < 0)
                return error_origin(-ENOMEM);
        r = clear_below(&o, &in->record->carried);
        if (r >= 0)
                r = clear_below(&o, in->left);
        if (r >= 0)
                r = clear_above(&o, &o.carried);
        if (r >= 0)
                r = clear_above(&o, &o.left);
        if (r >= 0)
                r = complain_of_the_rest(&o);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o.found);
        return 0;
}
