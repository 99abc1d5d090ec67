/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which mounts a path can reach. A mount that is covered by another one (on its own root, or on a directory
 * on the way to it) is still in the table, but its mount point leads elsewhere. Pure: knows ids, parents and
 * targets. */

#include "base/util.h"

typedef struct MountTree MountTree;

int mount_tree_new(MountTree **ret);
MountTree *mount_tree_free(MountTree *t);
DEFINE_CLEANUP(MountTree *, mount_tree_free);

/* 0; 1: the tree is no longer certain, as another mount was in that place, or this one was elsewhere before
 * (it was moved, or another was pushed beneath it, which the kernel does not tell): it must be rebuilt from a
 * fresh list. -ENOMEM. */
int mount_tree_add(MountTree *t, uint64_t id, uint64_t parent, const char *target);

/* Does nothing if it was never added. */
void mount_tree_remove(MountTree *t, uint64_t id);

/* One mount of the tree. Borrowed. */
typedef struct MountPlace {
        uint64_t id, parent;
        const char *target;
} MountPlace;

/* Shows each to VISIT, in no order, until that returns other than 0; returns that. */
int mount_tree_visit(const MountTree *t, int (*visit)(const MountPlace *place, void *userdata),
                     void *userdata);

/* How many are mounted on something that is not in the tree: the root alone, if no mount lost its parent. */
size_t mount_tree_orphans(const MountTree *t);

/* Does the target of the mount ID lead to it? Also false if there is no such mount. */
bool mount_tree_reaches(const MountTree *t, uint64_t id);
