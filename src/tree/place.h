/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One place on a volume, given by a descriptor: how it is watched, what it is and what it contains. The steps
 * of a walk (walk.h) are made of these. Nothing here follows a link or crosses a mount. */

#include <sys/stat.h>

#include "base/util.h"

#define PLACE_PATH_ROOM 4096U

typedef enum ArmKind {
        ARM_ANCESTOR, /* a directory in the path: only its own move or removal matters */
        ARM_MISSING,  /* a directory in which the next name is missing: its appearance matters */
        ARM_NODE,     /* a file or symbolic link itself */
        ARM_PRESENCE, /* likewise, but only that it stays there, not its content */
        ARM_TREE,     /* a directory taken whole */
        ARM_COVERED,  /* a directory in which a mount covers the next name: no watch sees what is below it */
        ARM_ABOVE,    /* the directory above an empty one, the only one to report its removal at once */
        _ARM_KIND_MAX,
} ArmKind;

/* How a place is watched. FD is O_PATH. Returns 0 or negative errno, which ends the walk (-ENOSPC: no watches
 * left). */
typedef struct Arm {
        int (*arm)(int fd, ArmKind kind, void *userdata);
        void *userdata;
} Arm;

/* Two descriptors are of the same thing exactly if these are equal. */
typedef struct PlaceIdentity {
        uint64_t device, inode;
} PlaceIdentity;

int place_arm(const Arm *arm, int fd, ArmKind kind); /* ARM may be NULL: nothing is watched */
int place_stat(int fd, struct statx *ret);
PlaceIdentity place_identity(const struct statx *stx);
bool place_identity_equal(const PlaceIdentity *a, const PlaceIdentity *b);

/* Opens NAME in DIRFD with O_PATH, whatever it is, without following a link. -EXDEV: something is mounted
 * there. */
int place_open(int dirfd, const char *name, int flags, int *ret_fd);

/* Where the symbolic link NAME in DIRFD points ("": the link that DIRFD itself is). */
int place_read_link(int dirfd, const char *name, char **ret);

/* Appends "/NAME" to PATH, which has *LENGTH bytes. -ENAMETOOLONG: there is no room; PATH is unchanged. */
int place_path_append(char path[static PLACE_PATH_ROOM], size_t *length, const char *name);

/* Is PATH (without links) BOOTKEEP_VOLUME_STATE or something below it? */
bool place_is_own_state(const char *path);
