/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the mount table is read from. There are two sources, which give the same set. */

#include "daemon/world/mountset.h"

typedef struct MountSource {
        const char *name;
        /* TABLE: as below. Fails where this kernel lacks what it needs, or forbids it. */
        int (*open)(const char *table, void **ret);
        void (*close)(void *source);
        int (*get_fd)(const void *source); /* readable when there is something to read */
        /* Acknowledges the event and brings SET up to date; the first time from nothing. After a failure the
         * next update reads everything. */
        int (*update)(void *source, MountSet *set);
} MountSource;

/* The mounts of our own namespace. */
#define MOUNT_TABLE_OWN "/proc/self/mountinfo"

extern const MountSource mount_events; /* one change costs the same among ten mounts and five thousand */
extern const MountSource mount_info;   /* every change costs a parse of them all, of any namespace */
