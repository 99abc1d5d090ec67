/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was found about one cache or helper: that it is fresh, or the first difference. */

#include "base/reason.h"
#include "tree/fingerprint.h"

typedef struct Freshness {
        Difference difference;
        char *path;      /* or what takes the place of one (reason.h); NULL: none */
        char *detail;    /* likewise */
        char *unlearned; /* of a cache: why nothing is known of what its builder read; NULL: it is known */
        Fingerprint now; /* what a build that starts now must record; not set for MISSING and UNREADABLE */
} Freshness;

#define FRESHNESS_NULL ((Freshness){})
void freshness_done(Freshness *f);

/* "/etc/dracut.conf.d/10.conf changed (size, mtime, 2026-11-23 17:20:33)", for people. NULL: out of memory */
char *freshness_describe(const Freshness *f);

/* Does R stop a comparison, because it says nothing about the path but that the program has run out of
 * something? E2BIG and ENOSPC come from the watches. */
bool finding_is_shortage(int r);

/* Notes a difference, unless one was noted before: the first counts. PATH and DETAIL may be NULL. 0 or
 * -ENOMEM. */
int finding_note(Freshness *f, Difference difference, const char *path, const char *detail);

/* The same for PATH below ROOT, which does not exist, with the time by which it was gone. */
int finding_note_absence(Freshness *f, int root, Difference difference, const char *path);

/* The same for PATH below ROOT, which could not be examined because of R. Returns R if that is a shortage. */
int finding_note_error(Freshness *f, int root, int r, const char *path);
