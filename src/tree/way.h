/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way to one path of a volume: every place that is passed, with links followed as in a chroot. Used by
 * walk.c only. */

#include "tree/visitor.h"

typedef struct WayLink {
        char *path, *target;
        struct statx stx;
        size_t rest_after; /* the length of the rest of the path without the target of the link */
} WayLink;

typedef struct Way {
        const Walk *walk;
        int fd;                     /* where we are, O_PATH */
        char path[PLACE_PATH_ROOM]; /* the same, without links; "" is the root */
        char *rest;                 /* the rest of the path */
        size_t rest_before;         /* its length before its last name was removed */
        struct statx stx;           /* of where we are, before it was armed */
        PlaceIdentity *chain;       /* everything passed, including links */
        size_t n_chain;
        WayLink *links;
        size_t n_links;
} Way;

#define WAY_NULL(w) ((Way){.walk = (w), .fd = -EBADF})

void way_done(Way *w); /* W is WAY_NULL of its walk again */

/* Finds the way to PATH. W is WAY_NULL. If anything is watched, then 0 and the errors for which
 * way_is_answer() is true are valid from before the last pass on: every later change is in the queue of the
 * watches. 0: fd, path and stx are those of what is there; -EAGAIN: the way changed each time it was
 * followed; -ENOMEM and other errno: failed. */
int way_find(Way *w, const char *path);

/* Is R, returned by way_find(), a property of the way itself? Then links contains those passed. 0; -ENOENT,
 * -ENOTDIR: nothing is there; -EXDEV, -ELOOP, -ENAMETOOLONG: it cannot be followed. */
bool way_is_answer(int r);

/* Passes the links to VISITOR. R is what way_find() returned. */
int way_visit_links(const Way *w, int r, const Visitor *visitor);
