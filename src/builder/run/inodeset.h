/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What has been seen of which inode: a hash table. */

#include <sys/stat.h>

#include "base/util.h"

typedef struct InodeSetItem {
        uint64_t device, inode;
        int64_t born;   /* an inode's number may be used again */
        unsigned kinds; /* 0: free */
} InodeSetItem;

typedef struct InodeSet {
        InodeSetItem *items;
        size_t n, room; /* a power of two, or 0 */
} InodeSet;

void inodeset_done(InodeSet *set);

/* KINDS (not 0) have been seen of the inode. 1: not all of them had been before; 0: they had; -ENOMEM. */
int inodeset_add(InodeSet *set, const struct statx *stx, unsigned kinds);
