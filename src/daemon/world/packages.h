/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is a package manager at work? The scan of a volume has found the lock files that count for it, on the
 * volume and on the host (HoldWhileLocked=, HoldWhileExists=); here only /proc/locks is read to see which of
 * them are locked. No lock is taken, no file is accessed: a disk that hangs holds up nobody. */

#include "base/report.h"

/* The files that anybody has locked (fcntl, open file description or flock). */
typedef struct LockedFiles {
        struct LockedFile *items;
        size_t n;
        bool ignore_existing; /* lock files that merely exist hold nothing */
} LockedFiles;

void locked_files_done(LockedFiles *l);

/* Reads /proc/locks. *RET is overwritten, not freed. -errno: cannot be read. */
int locked_files_read(LockedFiles *ret);
/* The same from F. */
int locked_files_parse(FILE *f, LockedFiles *ret);

/* What these processes have locked does not count. */
void locked_files_forgive(LockedFiles *l, const pid_t *pids, size_t n);

/* The first of the lock files in REPORT (NULL: none) that a package manager holds: because it is locked, or
 * because it exists. NULL: none is held. Borrowed from REPORT. */
const ReportHold *packages_find_hold(const Report *report, const LockedFiles *locked);
/* The same, but only of those that are locked: a process lives that holds it. */
const ReportHold *packages_find_lock(const Report *report, const LockedFiles *locked);
