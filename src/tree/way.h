/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way to one path of a volume: every place that is passed, links followed as a chroot would follow them.
 * Used by walk.c alone. */

#include "tree/visitor.h"

typedef struct WayLink {
        char *path, *target;
        struct statx stx;
        size_t rest_after; /* how long the rest of the way was without what the link says */
} WayLink;

typedef struct Way {
        const Walk *walk;
        int fd;                     /* where we are, O_PATH */
        char path[PLACE_PATH_ROOM]; /* the same without links; "" is the root */
        char *rest;                 /* what is still to go */
        size_t rest_before;         /* how long it was before its last name was taken off */
        struct statx stx;           /* of where we are */
        PlaceIdentity *chain;       /* everything passed, links too */
        size_t n_chain;
        WayLink *links;
        size_t n_links;
} Way;

#define WAY_NULL(w) ((Way){.walk = (w), .fd = -EBADF})

void way_done(Way *w); /* W is WAY_NULL of its walk again */

/* Finds the way to PATH. W is WAY_NULL. Is anything watched, then 0 and what way_is_answer() is true of hold
 * from before the last look on: every later change is in the queue of the watches. 0: fd, path and stx are of
 * what is there; -EAGAIN: the way changed each time that it was gone; -ENOMEM and other errno: could not
 * look. */
int way_find(Way *w, const char *path);

/* Is R, returned by way_find(), what the way itself says? Then links holds those passed. 0; -ENOENT,
 * -ENOTDIR: there is nothing; -EXDEV, -ELOOP, -ENAMETOOLONG: it cannot be gone. */
bool way_is_answer(int r);

/* Gives the links passed to VISITOR. R is what way_find() returned. */
int way_visit_links(const Way *w, int r, const Visitor *visitor);
