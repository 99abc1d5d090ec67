/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/mountset.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/error.h"
#include "daemon/world/mounttree.h"

typedef struct KnownMount {
        uint64_t key;
        MountEntry now, told; /* told.device NULL: not told */
        bool present;
        bool covers_known; /* what is mounted within it is in `covers` */
        UT_hash_handle hh;
} KnownMount;

/* A mount of any kind within a known one. */
typedef struct Cover {
        uint64_t key, on;
        char *target;
        bool present;
        UT_hash_handle hh;
} Cover;

struct MountSet {
        MountTree *tree;   /* of all mounts */
        Cover *covers;     /* by key */
        KnownMount *known; /* by key, the block-backed ones, in the order in which they were first seen */
};

int mount_set_new(MountSet **ret) {
        _cleanup_(mount_set_freep) MountSet *s = calloc(1, sizeof(*s));
        int r = s ? mount_tree_new(&s->tree) : error_origin(-ENOMEM);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

static void known_mount_forget(MountSet *s, KnownMount *k) {
        if (s->known) /* as it is: for the analyzers */
                HASH_DEL(s->known, k);
        mount_entry_done(&k->now);
        mount_entry_done(&k->told);
        free(k);
}

static void cover_forget(MountSet *s, Cover *c) {
        if (s->covers) /* as it is: for the analyzers */
                HASH_DEL(s->covers, c);
        free(c->target);
        free(c);
}

MountSet *mount_set_free(MountSet *s) {
        if (s) {
                while (s->covers)
                        cover_forget(s, s->covers);
                while (s->known)
                        known_mount_forget(s, s->known);
                mount_tree_free(s->tree);
        }
        free(s);
        return NULL;
}

static KnownMount *known_mount_find(const MountSet *s, uint64_t key) {
        KnownMount *k;
        HASH_FIND(hh, s->known, &key, sizeof(key), k);
        return k;
}

static KnownMount *known_mount_obtain(MountSet *s, uint64_t key) {
        KnownMount *k = known_mount_find(s, key);
        if (k)
                return k;
        k = calloc(1, sizeof(*k));
        if (!k)
                return NULL;
        k->key = key;
        HASH_ADD(hh, s->known, key, sizeof(k->key), k);
        if (!k->hh.tbl) { /* uthash had no memory */
                free(k);
                return NULL;
        }
        return k;
}

int mount_set_begin(MountSet *s) {
        assert(s);
        MountTree *tree;
        int r = mount_tree_new(&tree);
        if (r < 0)
                return r;
        mount_tree_free(s->tree);
        s->tree = tree;
        for (KnownMount *k = s->known; k; k = k->hh.next)
                k->present = false;
        return 0;
}

/* If a device was pulled there is nothing left to query about it; the mount is still what it was. */
static bool mount_is_as_known(const MountEntry *e, const MountFacts *f) {
        return e->id == f->id && streq(e->target, f->target) && streq(e->root, f->root) &&
               streq(e->fstype, f->fstype);
}

int mount_set_add(MountSet *s, uint64_t key, uint64_t parent, const MountFacts *f) {
        assert(s && f);
        MountEntry entry = MOUNT_ENTRY_NULL;
        int moved = mount_tree_add(s->tree, key, parent, f->target);
        int r = moved < 0 ? moved : mount_entry_from_facts(f, &entry);
        if (r < 0)
                return r;
        KnownMount *k = r > 0 ? known_mount_obtain(s, key) : known_mount_find(s, key);
        if (r > 0 && !k) {
                mount_entry_done(&entry);
                return error_origin(-ENOMEM);
        }
        if (r > 0) {
                mount_entry_done(&k->now);
                k->now = entry;
                k->present = true;
        } else if (k)
                k->present = mount_is_as_known(&k->now, f);
        return moved;
}

int mount_set_renew(MountSet *s, uint64_t key, uint64_t parent, const MountFacts *f) {
        KnownMount *k = known_mount_find(s, key);
        if (k)
                k->now.read_only = f->read_only;
        int r = mount_tree_add(s->tree, key, parent, f->target);
        return r == 0 && k && !streq(k->now.root, f->root) ? 1 : r;
}

void mount_set_remove(MountSet *s, uint64_t key) {
        KnownMount *k = known_mount_find(s, key);
        mount_tree_remove(s->tree, key);
        if (k)
                k->present = false;
}

size_t mount_set_orphans(const MountSet *s) {
        return mount_tree_orphans(s->tree);
}

int mount_set_volumes(const MountSet *s, uint64_t **ret, size_t *ret_n) {
        size_t n = 0;
        uint64_t *keys = calloc(MAX(HASH_COUNT(s->known), 1U), sizeof(*keys));
        if (!keys)
                return error_origin(-ENOMEM);
        for (const KnownMount *k = s->known; k; k = k->hh.next)
                if (k->present)
                        keys[n++] = k->key;
        assert(n <= HASH_COUNT(s->known));
        *ret = keys;
        *ret_n = n;
        return 0;
}

static bool mount_is_another(const MountEntry *a, const MountEntry *b) {
        return a->id != b->id || a->devno != b->devno || a->diskseq != b->diskseq ||
               !streq(a->device, b->device) || !streq(a->root, b->root) || !streq(a->fstype, b->fstype);
}

static bool mount_has_changed(const MountEntry *a, const MountEntry *b) {
        return a->read_only != b->read_only || !streq(a->target, b->target) || !streq(a->node, b->node);
}

static bool known_mount_is_reachable(const MountSet *s, const KnownMount *k) {
        return k->present && mount_tree_reaches(s->tree, k->key);
}

static void tell_removed_mounts(MountSet *s, mount_change_t change, void *userdata) {
        for (KnownMount *k = s->known, *next; k; k = next) {
                next = k->hh.next;
                if (k->told.device &&
                    (!known_mount_is_reachable(s, k) || mount_is_another(&k->told, &k->now))) {
                        change(MOUNT_REMOVED, &k->told, userdata);
                        mount_entry_done(&k->told);
                }
                if (!k->present)
                        known_mount_forget(s, k);
        }
}

static int tell_present_mounts(MountSet *s, mount_change_t change, void *userdata) {
        for (KnownMount *k = s->known; k; k = k->hh.next) {
                bool is_new = !k->told.device;
                if (!known_mount_is_reachable(s, k) || (!is_new && !mount_has_changed(&k->told, &k->now)))
                        continue;
                MountEntry copy;
                int r = mount_entry_copy(&k->now, &copy);
                if (r < 0)
                        return r;
                mount_entry_done(&k->told);
                k->told = copy;
                change(is_new ? MOUNT_ADDED : MOUNT_CHANGED, &k->told, userdata);
        }
        return 0;
}

int mount_set_tell(MountSet *s, mount_change_t change, void *userdata) {
        assert(s && change);
        tell_removed_mounts(s, change, userdata);
        return tell_present_mounts(s, change, userdata);
}

/* Who is told about covers. */
typedef struct CoverTeller {
        MountSet *set;
        mount_cover_t cover;
        void *userdata;
} CoverTeller;

/* For a mount that is itself reported. */
static const KnownMount *told_mount_find(const MountSet *s, uint64_t key) {
        const KnownMount *k = known_mount_find(s, key);
        return k && k->told.device ? k : NULL;
}

static void cover_tell(const CoverTeller *t, uint64_t on, const char *target) {
        const KnownMount *k = told_mount_find(t->set, on);
        if (k && k->covers_known)
                t->cover(&k->told, target, t->userdata);
}

static int cover_add(MountSet *s, const MountPlace *place) {
        Cover *c = calloc(1, sizeof(*c));
        if (!c)
                return error_origin(-ENOMEM);
        *c = (Cover){.key = place->id, .on = place->parent, .target = strdup(place->target), .present = true};
        if (c->target)
                HASH_ADD(hh, s->covers, key, sizeof(c->key), c);
        if (c->target && c->hh.tbl)
                return 0;
        free(c->target);
        free(c);
        return error_origin(-ENOMEM);
}

static int cover_visit(const MountPlace *place, void *userdata) {
        const CoverTeller *t = userdata;
        Cover *c;
        HASH_FIND(hh, t->set->covers, &place->id, sizeof(place->id), c);
        if (!told_mount_find(t->set, place->parent))
                return 0;
        if (c && c->on == place->parent && streq(c->target, place->target)) {
                c->present = true;
                return 0;
        }
        if (c) { /* it was moved here */
                cover_tell(t, c->on, c->target);
                cover_forget(t->set, c);
        }
        int r = cover_add(t->set, place);
        if (r >= 0)
                cover_tell(t, place->parent, place->target);
        return r;
}

int mount_set_tell_covers(MountSet *s, mount_cover_t cover, void *userdata) {
        CoverTeller t = {s, cover, userdata};
        assert(s && cover);
        for (Cover *c = s->covers; c; c = c->hh.next)
                c->present = false;
        int r = mount_tree_visit(s->tree, cover_visit, &t);
        if (r < 0)
                return r;
        for (Cover *c = s->covers, *next; c; c = next) {
                next = c->hh.next;
                if (c->present)
                        continue;
                cover_tell(&t, c->on, c->target);
                cover_forget(s, c);
        }
        for (KnownMount *k = s->known; k; k = k->hh.next)
                k->covers_known = k->told.device;
        return 0;
}
