/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the mount table is read from: two ways to the same set. */

#include "daemon/world/mountset.h"

typedef struct MountSource {
        const char *name;
        int (*open)(void **ret); /* fails where this kernel, or its permissions, has not what it takes */
        void (*close)(void *source);
        int (*get_fd)(const void *source); /* readable when there is something to look at */
        /* Acknowledges that and brings SET up to date; the first time from nothing. After a failure the next
         * look is a whole one. */
        int (*look)(void *source, MountSet *set);
} MountSource;

extern const MountSource mount_events; /* one change costs the same among ten mounts and five thousand */
extern const MountSource mount_info;   /* every change costs a parse of them all */
