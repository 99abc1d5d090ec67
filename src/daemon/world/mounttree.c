/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/mounttree.h"

#include <stdio.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/error.h"

/* More than mounts are nested on any machine; a loop, in a table that was read while it changed, must end,
 * too. */
#define DEPTH_MAX 1000

typedef struct MountNode {
        uint64_t id, parent;
        char *place; /* PARENT:TARGET, so that what is mounted there is found; NULL: not in the tree itself,
                        but the parent of something that is */
        size_t children; /* how many are mounted on it */
        UT_hash_handle by_id, by_place;
} MountNode;

struct MountTree {
        MountNode *by_id, *by_place;
        size_t orphans; /* the children of all that are not in the tree */
};

int mount_tree_new(MountTree **ret) {
        MountTree *t = calloc(1, sizeof(*t));
        if (!t)
                return error_origin(-ENOMEM);
        *ret = t;
        return 0;
}

MountTree *mount_tree_free(MountTree *t) {
        if (t) {
                MountNode *n, *next;
                HASH_CLEAR(by_place, t->by_place);
                HASH_ITER (by_id, t->by_id, n, next) {
                        HASH_DELETE(by_id, t->by_id, n);
                        free(n->place);
                        free(n);
                }
        }
        free(t);
        return NULL;
}

static MountNode *mount_node_find_any(const MountTree *t, uint64_t id) {
        MountNode *n;
        HASH_FIND(by_id, t->by_id, &id, sizeof(id), n);
        return n;
}

static MountNode *mount_node_find(const MountTree *t, uint64_t id) {
        MountNode *n = mount_node_find_any(t, id);
        return n && n->place ? n : NULL;
}

static MountNode *mount_node_find_at(const MountTree *t, const char *place) {
        MountNode *n;
        HASH_FIND(by_place, t->by_place, place, strlen(place), n);
        return n;
}

/* The node ID, which need not be in the tree. NULL: no memory. */
static MountNode *mount_node_obtain(MountTree *t, uint64_t id) {
        MountNode *n = mount_node_find_any(t, id);
        if (n)
                return n;
        n = calloc(1, sizeof(*n));
        if (!n)
                return NULL;
        n->id = id;
        HASH_ADD(by_id, t->by_id, id, sizeof(n->id), n);
        if (!n->by_id.tbl) { /* uthash had no memory */
                free(n);
                return NULL;
        }
        return n;
}

/* Frees N if nothing needs it. */
static void mount_node_release(MountTree *t, MountNode *n) {
        if (n->place || n->children > 0)
                return;
        if (t->by_id) /* as it is: for the analyzers */
                HASH_DELETE(by_id, t->by_id, n);
        free(n);
}

/* Puts N, mounted on PARENT, into the tree; owns PLACE from then on. */
static int mount_node_put(MountTree *t, MountNode *n, MountNode *parent, char *place) {
        assert(!n->place && t->orphans >= n->children);
        const MountNode *other = mount_node_find_at(t, place);
        n->place = place;
        n->parent = parent->id;
        t->orphans -= n->children;
        parent->children++;
        t->orphans += !parent->place;
        if (other) /* one is enough to cover */
                return 1;
        HASH_ADD_KEYPTR(by_place, t->by_place, n->place, strlen(n->place), n);
        return n->by_place.tbl ? 0 : error_origin(-ENOMEM);
}

int mount_tree_add(MountTree *t, uint64_t id, uint64_t parent, const char *target) {
        assert(t && target);
        _cleanup_free_ char *place = NULL;
        if (strprintf(&place, "%llu:%s", (unsigned long long) parent, target) < 0)
                return error_origin(-ENOMEM);
        MountNode *n = mount_node_obtain(t, id), *p = mount_node_obtain(t, parent);
        if (n && p && !n->place)
                return mount_node_put(t, n, p, TAKE_PTR(place));
        int r = n && p ? !streq(n->place, place) : error_origin(-ENOMEM);
        if (n)
                mount_node_release(t, n);
        if (p && parent != id)
                mount_node_release(t, p);
        return r;
}

void mount_tree_remove(MountTree *t, uint64_t id) {
        MountNode *n = mount_node_find(t, id);
        if (!n)
                return;
        MountNode *parent = mount_node_find_any(t, n->parent);
        assert(parent && parent->children > 0);
        if (mount_node_find_at(t, n->place) == n)
                HASH_DELETE(by_place, t->by_place, n);
        assert(parent->place || t->orphans > 0);
        t->orphans -= !parent->place;
        parent->children--;
        free(n->place);
        n->place = NULL;
        t->orphans += n->children;
        mount_node_release(t, n);
        if (parent != n)
                mount_node_release(t, parent);
}

static const char *mount_node_target(const MountNode *n) {
        assert(n->place);
        return strchr(n->place, ':') + 1;
}

int mount_tree_visit(const MountTree *t, int (*visit)(const MountPlace *place, void *userdata),
                     void *userdata) {
        int r = 0;
        assert(t && visit);
        for (const MountNode *n = t->by_id; r == 0 && n; n = n->by_id.next)
                if (n->place)
                        r = visit(&(MountPlace){n->id, n->parent, mount_node_target(n)}, userdata);
        return r;
}

size_t mount_tree_orphans(const MountTree *t) {
        return t->orphans;
}

/* Is anything mounted on the first LENGTH bytes of TARGET, in the mount PARENT? */
static bool place_is_covered(const MountTree *t, uint64_t parent, const char *target, size_t length) {
        _cleanup_free_ char *place = NULL;
        if (strprintf(&place, "%llu:%.*s", (unsigned long long) parent, (int) MAX(length, 1U), target) < 0)
                return false;
        return mount_node_find_at(t, place) != NULL;
}

/* Is anything mounted on its own root? */
static bool mount_root_is_covered(const MountTree *t, const MountNode *n) {
        const char *target = mount_node_target(n);
        return place_is_covered(t, n->id, target, strlen(target));
}

/* Or on a directory between its parent's root and its target? */
static bool mount_way_is_covered(const MountTree *t, const MountNode *n) {
        const char *target = mount_node_target(n);
        for (const char *slash = strchr(target, '/'); slash; slash = strchr(slash + 1, '/'))
                if (slash[1] && place_is_covered(t, n->parent, target, (size_t) (slash - target)))
                        return true;
        return false;
}

bool mount_tree_reaches(const MountTree *t, uint64_t id) {
        const MountNode *n = mount_node_find(t, id);
        if (!n || mount_root_is_covered(t, n))
                return false;
        for (unsigned depth = 0; n && depth < DEPTH_MAX; depth++) {
                if (mount_way_is_covered(t, n))
                        return false;
                n = mount_node_find(t, n->parent);
        }
        return true;
}
