/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/inodeset.h"

#include "base/error.h"

void inodeset_done(InodeSet *set) {
        free(set->items);
        *set = (InodeSet){};
}

static bool same_inode(const InodeSetItem *a, const InodeSetItem *b) {
        return a->device == b->device && a->inode == b->inode && a->born == b->born;
}

static size_t hash_inode(const InodeSetItem *item) {
        uint64_t h =
                (item->inode ^ (item->device << 32) ^ (uint64_t) item->born) * UINT64_C(0x9e3779b97f4a7c15);
        return (size_t) (h >> 32);
}

/* Where it is, or the free place where it would be. There is one. */
static InodeSetItem *find_place(InodeSetItem *items, size_t room, const InodeSetItem *key) {
        size_t i = hash_inode(key) & (room - 1);
        while (items[i].kinds != 0 && !same_inode(&items[i], key))
                i = (i + 1) & (room - 1);
        return &items[i];
}

/* At least half of it stays free. */
static int make_room(InodeSet *set) {
        size_t room = set->room == 0 ? 1024 : set->room * 2;
        if (set->n * 2 < set->room)
                return 0;
        InodeSetItem *items = calloc(room, sizeof(*items));
        if (!items)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < set->room; i++)
                if (set->items[i].kinds != 0)
                        *find_place(items, room, &set->items[i]) = set->items[i];
        free(set->items);
        set->items = items;
        set->room = room;
        return 0;
}

int inodeset_add(InodeSet *set, const struct statx *stx, unsigned kinds) {
        assert(kinds != 0);
        const InodeSetItem key = {
                .device = (uint64_t) stx->stx_dev_major << 32 | stx->stx_dev_minor,
                .inode = stx->stx_ino,
                .born = stx->stx_mask & STATX_BTIME
                                ? (stx->stx_btime.tv_sec << 30) ^ (int64_t) stx->stx_btime.tv_nsec
                                : 0,
                .kinds = kinds,
        };
        int r = make_room(set);
        if (r < 0)
                return r;
        InodeSetItem *item = find_place(set->items, set->room, &key);
        if (item->kinds == 0) {
                *item = key;
                set->n++;
                return 1;
        }
        bool is_new = kinds & ~item->kinds;
        item->kinds |= kinds;
        return is_new;
}
