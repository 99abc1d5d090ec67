/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One scan of one volume, from the open mount point to the last record. It changes nothing, remembers nothing
 * and decides nothing: its only results are the records on stdout and the exit status. */

#include "base/util.h"

typedef struct ScanOptions {
        const char *mountpoint;
        uint64_t mount_id;   /* it must be this mount; 0: any */
        const char *volume;  /* ... and this volume; NULL: any */
        int inotify_fd;      /* what is examined is armed on it; negative: nothing is */
        const char *efivars; /* the directory of the firmware's variables; NULL: the usual one */
        const char *sources; /* print what this cache ("": each) is made from instead; NULL: do not */
        const char *uncover; /* where to ask for stamps that a mount covers (uncover.h); NULL: nowhere */
        char **builders;     /* where builder definitions are, strv; NULL: in the standard places */
        char **hold_locked, **hold_exists; /* lock files of package managers, strv */
        bool trust_ctime;
        bool quiet; /* stderr does not repeat what the records say */
} ScanOptions;

/* Returns the exit status, one of BOOTKEEP_SCAN_*. The process has no privileges left afterwards
 * (sandbox.h). */
int scan_run(const ScanOptions *o);
