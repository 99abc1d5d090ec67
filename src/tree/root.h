/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A volume as bootkeep-scan and bootkeep-build see it: open, named, with the directory of its stamps. */

#include "base/mountentry.h"

typedef struct Root {
        int fd;           /* the volume's root directory; everything on it is opened beneath */
        MountEntry mount; /* where it is mounted */
        char *name;       /* `sda2[/@]` */
        int state_fd;     /* BOOTKEEP_VOLUME_STATE; -ENOENT: nothing was ever built here; or a problem */
} Root;

Root *root_free(Root *root);
DEFINE_CLEANUP(Root *, root_free);

/* Opens the volume mounted at MOUNTPOINT; with MOUNT_ID != 0 it must be that mount (-ESTALE). MOUNTPOINT must
 * be a mount point's own root (-EINVAL: a directory below one) of a block-backed file system (-ENOTBLK). If
 * another file system is mounted over the path to the stamps (a separate /var), they are reached on the
 * volume below it, through a detached clone of the mount: that needs CAP_SYS_ADMIN, so call this before
 * dropping it; without it state_fd is -EXDEV. If stamps cannot be kept there, that is not an error as long as
 * there are none to keep. */
int root_open(const char *mountpoint, uint64_t mount_id, Root **ret);

/* A volume as another process has opened it, perhaps in another mount namespace. */
typedef struct RootDescriptors {
        int root;      /* its root directory */
        int state;     /* as state_fd */
        int mountinfo; /* /proc/self/mountinfo of that process */
} RootDescriptors;

/* As root_open(), from copies of DESCRIPTORS. */
int root_adopt(const RootDescriptors *descriptors, Root **ret);

/* Is it the root of the running system, so that it needs no chroot and was booted from? */
bool root_is_running(const Root *root);

/* What is wrong with MOUNTPOINT if root_open() returned R, as the end of a sentence about it; NULL: the text
 * of R says it. */
const char *root_open_problem(int r);

/* Why stamps cannot be kept on the volume, for state_fd or what root_make_state() returned. NULL: no such
 * reason. */
const char *root_state_problem(int r);

/* Takes FD, even on failure: the directory of the stamps as somebody with CAP_SYS_ADMIN has opened it, where
 * state_fd is -EXDEV. It keeps the device busy until it is closed, also after the volume is unmounted.
 * -EXDEV: it is not on the volume. */
int root_take_state(Root *root, int fd);

/* For writing: creates `caches` and `helpers` below the state directory (0755, no links), sets state_fd. */
int root_make_state(Root *root);
