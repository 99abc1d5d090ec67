/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was learned, as it is now: folder by folder, each opened and armed once, what was seen in it examined
 * there. Used to compare it (learnedcheck.h), and by the builder to record it. */

#include <sys/stat.h>

#include "freshness/learned.h"
#include "freshness/subject.h"
#include "tree/listing.h"

/* One item as it is now. Borrowed for the call. */
typedef struct Sight {
        const LearnedItem *item;
        int folder;       /* the folder that it is looked at in, O_PATH; negative: that cannot be opened */
        bool covered;     /* a mount hides it, or its folder: there is no telling how it is */
        struct statx stx; /* stx_mask 0: it is not there */
        const char
                *now; /* what the second word of its line would be; NULL: it has none, or is something else */
        const Listing *listing; /* of a folder */
        bool same;              /* it is as the item says, as far as metadata tells */
} Sight;

/* Looks at all of LIST, which was learned for the cache SUBJECT, and arms it (ARM may be NULL). VISIT returns
 * 0 to go on; anything else ends it and is returned. A shortage (finding.h). */
typedef struct SightVisitor {
        int (*visit)(const Sight *sight, void *userdata);
        void *userdata;
} SightVisitor;

int sights_visit(const Subject *subject, const Learned *list, const Arm *arm, const SightVisitor *visitor);

/* Does PATH never count, by its name alone: what every run changes, our own files? */
bool sight_ignores(const Definition *definition, const char *path);
