/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Joins the two halves of a walk: the way to a path (way.c) and, for a directory, the tree below it
 * (subtree.c). */

#include "tree/walk.h"

#include "base/error.h"
#include "tree/subtree.h"
#include "tree/way.h"

/* Finds the way and passes its links to VISITOR (NULL: does not). 0, or what ends the walk. */
static int walk_find_way(Way *w, const char *path, const Visitor *visitor) {
        int r = way_find(w, path);
        int k = visitor && way_is_answer(r) ? way_visit_links(w, r, visitor) : 0;
        return k != 0 ? k : r;
}

int walk_resolve(const Walk *walk, const char *path, const Visitor *visitor, int *ret_fd, char **ret_path) {
        assert(walk && ret_fd && ret_path);
        _cleanup_(way_done) Way w = WAY_NULL(walk);
        int r = walk_find_way(&w, path, visitor);
        if (r != 0)
                return r;
        char *resolved = strdup(*w.path ? w.path : "/");
        if (!resolved)
                return error_origin(-ENOMEM);
        *ret_path = resolved;
        *ret_fd = TAKE_FD(w.fd);
        return 0;
}

int walk_source(const Walk *walk, const char *path, const Visitor *visitor) {
        assert(walk && visitor);
        _cleanup_(way_done) Way w = WAY_NULL(walk);
        int r = walk_find_way(&w, path, visitor);
        if (r != 0 || place_is_own_state(w.path))
                return r;
        bool whole = S_ISDIR(w.stx.stx_mode);
        if (whole)
                r = place_arm(walk->arm, w.fd, ARM_TREE);
        if (r >= 0)
                r = place_stat(w.fd, &w.stx);
        const WalkEntry entry = {.path = *w.path ? w.path : "/", .stx = &w.stx};
        if (r >= 0)
                r = visitor->visit(&entry, visitor->userdata);
        return r == 0 && whole ? subtree_walk(walk, w.fd, w.path, visitor) : r;
}
