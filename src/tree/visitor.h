/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a walk takes place, what it sees, and what is told of that. */

#include "tree/place.h"

/* One thing seen. Borrowed for the call. */
typedef struct WalkEntry {
        const char *path;        /* within the root, links on the way resolved */
        const struct statx *stx; /* of the thing itself, links not followed */
        const char *target;      /* of a symbolic link, else NULL */
        bool broken;             /* a link on the way that leads nowhere, to what cannot be gone, or out */
} WalkEntry;

/* What is told of all that a walk sees. VISIT returns 0 to go on; anything else ends the walk and is returned
 * by it. */
typedef struct Visitor {
        int (*visit)(const WalkEntry *entry, void *userdata);
        void *userdata;
} Visitor;

/* Where a walk takes place: nothing leads out of ROOT. ARM may be NULL: nothing is watched. */
typedef struct Walk {
        int root;
        const Arm *arm;
} Walk;
