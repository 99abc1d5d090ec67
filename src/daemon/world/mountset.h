/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mounts that there are, as a source of them tells it, and what of that has been told on: the
 * block-backed ones that a path can reach. Knows no kernel interface but what mountentry.h asks of /sys and
 * /dev. */

#include "base/mountentry.h"

typedef enum MountChange {
        MOUNT_ADDED,
        MOUNT_CHANGED, /* moved, remounted */
        MOUNT_REMOVED,
} MountChange;

/* ENTRY is borrowed for the call; of a removed one it is what was last known. */
typedef void (*mount_change_t)(MountChange change, const MountEntry *entry, void *userdata);

typedef struct MountSet MountSet;

int mount_set_new(MountSet **ret);
MountSet *mount_set_free(MountSet *s);
DEFINE_CLEANUP(MountSet *, mount_set_free);

/* Everything is listed anew: what is not added from here on is gone. */
int mount_set_begin(MountSet *s);

/* Adds a mount of whatever kind, for each may cover another, or says again what it is like. KEY and PARENT
 * are ids of the source's choice. 0; 1: the set wants to be listed anew, see mounttree.h; -ENOMEM. */
int mount_set_add(MountSet *s, uint64_t key, uint64_t parent, const MountFacts *f);
void mount_set_remove(MountSet *s, uint64_t key);

/* Says again what may change of a mount that is the same one for sure: F->target, F->root (a subvolume was
 * renamed) and F->read_only. As mount_set_add(). */
int mount_set_renew(MountSet *s, uint64_t key, uint64_t parent, const MountFacts *f);

/* See mounttree.h. */
size_t mount_set_orphans(const MountSet *s);

/* The block-backed ones: their keys, an array to free. */
int mount_set_volumes(const MountSet *s, uint64_t **ret, size_t *ret_n);

/* Says what came, went and changed since it was last called: first what is gone. One whose device, medium,
 * type or root is another is another mount, whatever its id. */
int mount_set_tell(MountSet *s, mount_change_t change, void *userdata);
