/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which mounts a path can reach. One that is covered by another (a mount on its own root, or on a directory
 * on the way to it) is still in the table, but its mount point leads elsewhere. Pure: told by ids, parents
 * and targets. */

#include "base/util.h"

typedef struct MountTree MountTree;

int mount_tree_new(MountTree **ret);
MountTree *mount_tree_free(MountTree *t);
DEFINE_CLEANUP(MountTree *, mount_tree_free);

/* 0; 1: added, but the tree is no longer sure, as something else was in that place, or the mount had another
 * one (moved, or pushed aside, of which nobody tells): it is to be made anew from a fresh list. -ENOMEM. */
int mount_tree_add(MountTree *t, uint64_t id, uint64_t parent, const char *target);

/* Nothing, if it was never added. */
void mount_tree_remove(MountTree *t, uint64_t id);

/* How many are mounted on something that is not in the tree. One, the root, unless somebody lost his parent.
 */
size_t mount_tree_orphans(const MountTree *t);

/* Does the target of the mount ID lead to it? False also if it is not there. */
bool mount_tree_reaches(const MountTree *t, uint64_t id);
