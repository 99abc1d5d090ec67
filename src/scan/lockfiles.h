/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The lock files of package managers, at the configured paths: on the host, and on the scanned volume, where
 * a package manager in a chroot has its own. This only finds and identifies them; the daemon asks the kernel
 * whether one is locked. */

#include <stdio.h>

#include "tree/root.h"
#include "tree/walk.h"

/* One path on the host: the mount that it leads into, and its path from the root of that mount. */
typedef struct HostPlace {
        int mount; /* negative: the path leads to nothing that could be opened */
        char *path;
} HostPlace;

typedef struct LockFile {
        const char *path; /* as configured, borrowed */
        bool exists;      /* its existence is the lock */
        HostPlace host;
} LockFile;

typedef struct LockFiles {
        LockFile *items;
        size_t n;
} LockFiles;

#define LOCK_FILES_NULL ((LockFiles){})
void lock_files_done(LockFiles *l);

/* Adds PATHS (a strv, borrowed) and opens the places they lead to on the host. -ENOMEM, -EMFILE. */
int lock_files_add(LockFiles *l, char *const *paths, bool exists);

/* Arms the paths to all of them, and prints a HOLD record for each that exists, or a NOTE for one that is
 * older than the boot and thus not in use. If ROOT is that of the running system, its files are those of the
 * host. Call this after everything to be compared was examined: whatever a package manager has changed, it
 * had locked before. 0 or negative errno (no memory, no more watches, F cannot be written). */
int lock_files_report(const LockFiles *l, const Root *root, const Arm *arm, FILE *f);
