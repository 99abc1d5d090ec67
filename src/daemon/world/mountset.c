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
        UT_hash_handle hh;
} KnownMount;

struct MountSet {
        MountTree *tree;   /* of all mounts */
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

MountSet *mount_set_free(MountSet *s) {
        if (s) {
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

/* Where a device was pulled nothing is left to ask about it; the mount is still what it was. */
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
