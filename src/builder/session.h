/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/run/builderlink.h"

/* One build of one volume, from its mount point to the exit status. */
typedef struct SessionOptions {
        const char *mount_point;
        uint64_t mount_id; /* fail if this is not the mount's; 0: any */
        char **builders;   /* strv: where the builder definitions are */
        bool force, caches_only, helpers_only;
        bool trust_ctime;
        const char *uncover; /* build nothing: the scan that listens there wants the stamps (opener.h); NULL:
                                none does */
        bool no_wait; /* do not wait for the lock of the volume while a client of the daemon holds it */
        /* Instead of building: the record of what somebody else is about to build, or has built (handover.h).
         * At most one of them. */
        const char *begin, *done;
        const char *cache, *instance; /* for `begin`: which; NULL: all */
        const BuilderLink *link;      /* out of the sandbox that it runs in; NULL: it does not */
} SessionOptions;

/* Returns the exit status (BOOTKEEP_BUILD_*). Errors are logged, and printed as REASON; RESULT always comes
 * last. */
int session_run(const SessionOptions *options, Interrupt *interrupt);
