/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All mounts, as a source lists them, and which of them have been passed on: the block-backed ones that a
 * path can reach. Knows no kernel interface but /sys and /dev, by mountentry.h. */

#include "base/mountentry.h"

typedef enum MountChange {
        MOUNT_ADDED,
        MOUNT_CHANGED, /* moved, remounted */
        MOUNT_REMOVED,
} MountChange;

/* ENTRY is borrowed for the call; for a removed mount it is what was last known about it. */
typedef void (*mount_change_t)(MountChange change, const MountEntry *entry, void *userdata);

/* Something was mounted on TARGET, or no longer is; that is a place within the mount ON. Borrowed. */
typedef void (*mount_cover_t)(const MountEntry *on, const char *target, void *userdata);

typedef struct MountSet MountSet;

int mount_set_new(MountSet **ret);
MountSet *mount_set_free(MountSet *s);
DEFINE_CLEANUP(MountSet *, mount_set_free);

/* Begins a new list: what is not added from here on is gone. */
int mount_set_begin(MountSet *s);

/* Adds a mount of any kind, as each may cover another, or updates one. KEY and PARENT are ids of the source's
 * choice. 0; 1: all mounts must be listed again, see mounttree.h; -ENOMEM. */
int mount_set_add(MountSet *s, uint64_t key, uint64_t parent, const MountFacts *f);
void mount_set_remove(MountSet *s, uint64_t key);

/* Updates what can change of a mount that certainly is the same one: F->target, F->root (a subvolume was
 * renamed) and F->read_only. Returns as mount_set_add(). */
int mount_set_renew(MountSet *s, uint64_t key, uint64_t parent, const MountFacts *f);

/* See mounttree.h. */
size_t mount_set_orphans(const MountSet *s);

/* The keys of the block-backed ones, in an array that the caller frees. */
int mount_set_volumes(const MountSet *s, uint64_t **ret, size_t *ret_n);

/* Reports what appeared, went away and changed since the last call, what is gone first. A mount whose device,
 * medium, type or root differs is another mount, whatever its ID. */
int mount_set_tell(MountSet *s, mount_change_t change, void *userdata);

/* Reports what mounts of any kind appeared and went away within those reported, since the last call; not
 * those that already existed when it first saw the mount that they are in. -ENOMEM: none is lost. */
int mount_set_tell_covers(MountSet *s, mount_cover_t cover, void *userdata);
