/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was found of one cache or helper: that it is fresh, or the first difference. */

#include "base/reason.h"
#include "tree/fingerprint.h"

typedef struct Freshness {
        Difference difference;
        char *path;      /* or what stands for one (reason.h); NULL: there is none */
        char *detail;    /* likewise */
        Fingerprint now; /* what a build that starts now must record; not set for MISSING and UNREADABLE */
} Freshness;

#define FRESHNESS_NULL ((Freshness){})
void freshness_done(Freshness *f);

/* "/etc/dracut.conf.d/10.conf changed (size, mtime, 2026-11-23 17:20:33)", for people. NULL: out of memory */
char *freshness_describe(const Freshness *f);

/* Does R stop a comparison, as it says nothing of the path that was looked at but that the program is short
 * of something? E2BIG and ENOSPC come from the watches. */
bool finding_is_shortage(int r);

/* Notes a difference, unless one was noted before: the first counts. PATH and DETAIL may be NULL. 0 or
 * -ENOMEM. */
int finding_note(Freshness *f, Difference difference, const char *path, const char *detail);

/* The same of PATH below ROOT, which is not there, with by when that was so. */
int finding_note_absence(Freshness *f, int root, Difference difference, const char *path);

/* The same of PATH below ROOT, which could not be looked at by R. Returns R if that is a shortage. */
int finding_note_error(Freshness *f, int root, int r, const char *path);
