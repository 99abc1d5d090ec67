/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One line of the mount table, the parts that bootkeep needs, and the name of the volume in it. */

#include <sys/types.h>

#include "base/util.h"

struct libmnt_fs;

/* What the kernel says about a mount. The strings are borrowed. */
typedef struct MountFacts {
        uint64_t id; /* first field of mountinfo */
        dev_t devno; /* as statx(2) shows it: anonymous for btrfs */
        const char *source, *root, *target, *fstype;
        const char *options; /* of the superblock; NULL: not known, since for most they do not matter */
        bool read_only;      /* the mount or its superblock */
} MountFacts;

typedef struct MountEntry {
        uint64_t id;      /* of the mount: first field of mountinfo */
        dev_t devno;      /* the block device (for btrfs, whose mounts carry an anonymous number, that of the
                             source) */
        uint64_t diskseq; /* of its disk: another one for each medium that it ever held; 0: it has none */
        char *device;     /* its kernel name, `sda2` */
        char *node;       /* the source as mounted, `/dev/sda2` */
        char *root;       /* the root of the mount inside the file system, "/" or "/@" */
        char *target;     /* the mount point */
        char *fstype;
        bool read_only;        /* the mount or its superblock */
        bool inside_subvolume; /* the root is a folder or file in a btrfs subvolume, not a subvolume itself */
} MountEntry;

#define MOUNT_ENTRY_NULL ((MountEntry){})

void mount_entry_done(MountEntry *e); /* frees its contents, leaves MOUNT_ENTRY_NULL */

int mount_entry_copy(const MountEntry *e, MountEntry *ret); /* 0 or -ENOMEM */

/* *RET borrows from FS. */
void mount_facts_from_fs(struct libmnt_fs *fs, MountFacts *ret);

/* 1 and *RET if F is a block-backed file system; 0 if it is not (network, pseudo, overlay, FUSE) or its
 * device is gone; -ENOMEM. Reads /sys and /dev, never the file system. */
int mount_entry_from_facts(const MountFacts *f, MountEntry *ret);

/* The mount with this ID in /proc/self/mountinfo. 1; 0: not there or not block-backed; negative errno. */
int mount_entry_find(uint64_t id, MountEntry *ret);
/* The same in MOUNTINFO, which may be that of another mount namespace. */
int mount_entry_find_in(FILE *mountinfo, uint64_t id, MountEntry *ret);

/* `sda2`, or `sda2[/@]` where the root is not "/". */
int mount_entry_volume_name(const MountEntry *e, char **ret);
