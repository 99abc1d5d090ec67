/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The subject of a comparison: one cache, or one helper; and its stamp. */

#include "freshness/stamp.h"
#include "helper/helper.h"
#include "manifest/plan.h"
#include "tree/root.h"
#include "tree/walk.h"

/* How many bytes of the stamps of caches one run may read: anybody who can write to the volume may have
 * written all of them, for every instance. */
typedef struct StampRoom {
        size_t heads;      /* for determining whether something is fresh */
        size_t learned;    /* likewise, of lists of what was learned */
        size_t wholes;     /* for determining why not */
        size_t n_left_out; /* caches whose list was left out: they count by their named sources alone */
} StampRoom;

#define STAMP_ROOM_FULL                                                                                      \
        ((StampRoom){                                                                                        \
                .heads = 32U * 1024U * 1024U, .learned = 8U * 1024U * 1024U, .wholes = 8U * 1024U * 1024U})

typedef struct FreshnessContext {
        const Root *root;
        const Plan *plan;
        const Arm *arm;  /* or NULL: nothing is watched */
        StampRoom *room; /* or NULL: as much of each stamp as it may contain */
        bool trust_ctime;
} FreshnessContext;

typedef struct Subject {
        const FreshnessContext *context;
        const PlanCache *cache; /* one of these two is NULL */
        const Helper *helper;
} Subject;

/* The head of the stamp. If it is missing, cannot be read or exceeds the room, that means "stale": *RET is
 * NULL. 0, or a shortage (finding.h). */
int subject_read_head(const Subject *subject, Stamp **ret);
/* The whole stamp, likewise, except -EFBIG: there is no room for it. */
int subject_read_whole(const Subject *subject, Stamp **ret);
/* Likewise, for who has one at a time: the room does not matter. */
int subject_read_alone(const Subject *subject, Stamp **ret);

const char *subject_list_name(const Subject *subject); /* of what the manifest names for it (reason.h) */

/* NAME HEX of the builder of a cache, as in its stamp. */
int subject_describe_builder(const Subject *subject, char **ret);

/* Does the manifest name anything for it? A helper for which it names nothing needs no stamp. */
bool subject_needs_stamp(const Subject *subject);
