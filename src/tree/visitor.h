/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a walk takes place, what it sees, and who is told about it. */

#include "tree/place.h"

/* One thing seen. Borrowed for the call. */
typedef struct WalkEntry {
        const char *path;        /* within the root, links in the path resolved */
        const struct statx *stx; /* of the object itself, links not followed */
        const char *target;      /* of a symbolic link, else NULL */
        bool broken; /* a link in the path that leads to nothing, to a place that cannot be reached, or out */
} WalkEntry;

/* Called for everything that a walk sees. VISIT returns 0 to continue; anything else ends the walk and is
 * returned by it. */
typedef struct Visitor {
        int (*visit)(const WalkEntry *entry, void *userdata);
        void *userdata;
} Visitor;

/* Where a walk takes place: nothing leads out of ROOT. ARM may be NULL: nothing is watched. */
typedef struct Walk {
        int root;
        const Arm *arm;
} Walk;
