/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The lock files of package managers, by the paths that the configuration gives: on the host, and on the
 * volume that is scanned, where a package manager in a chroot has its own. This only finds them and says
 * which files they are; whether one is locked is for the daemon to ask the kernel. */

#include <stdio.h>

#include "tree/root.h"
#include "tree/walk.h"

/* One path on the host: the mount that it leads into, and the way there from that mount's root. */
typedef struct HostPlace {
        int mount; /* negative: that path leads nowhere that could be opened */
        char *path;
} HostPlace;

typedef struct LockFile {
        const char *path; /* as configured, borrowed */
        bool exists;      /* it locks by being there */
        HostPlace host;
} LockFile;

typedef struct LockFiles {
        LockFile *items;
        size_t n;
} LockFiles;

#define LOCK_FILES_NULL ((LockFiles){})
void lock_files_done(LockFiles *l);

/* Adds PATHS (a strv, borrowed) and opens where they lead on the host. -ENOMEM, -EMFILE. */
int lock_files_add(LockFiles *l, char *const *paths, bool exists);

/* Arms the ways to all of them, and prints a record HOLD for each that is there, or a NOTE for one that is
 * older than the boot and so nobody's. Where ROOT is the running system's own its files are the host's. To be
 * called after all that is compared was looked at: what a package manager has changed, it had locked before.
 * 0 or negative errno (no memory, no more watches, F cannot be written). */
int lock_files_report(const LockFiles *l, const Root *root, const Arm *arm, FILE *f);
