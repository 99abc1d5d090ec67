/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "base/progress.h"
#include "builder/transaction/between.h"
#include "freshness/freshness.h"

/* Brings one helper up to date: it carries the old set or the new one, complete, at every instant. */
typedef struct Updater {
        const FreshnessContext *context;
        Interrupt *interrupt;   /* or NULL */
        Progress *progress;     /* or NULL */
        const Between *between; /* or NULL */
        const char *boot_id, *cmdline;
        bool running; /* the volume is the root of the running system */
        bool force;   /* even if it is fresh; reads everything; no guards */
} Updater;

typedef struct UpdateResult {
        bool fresh; /* there was nothing to do; not even examined */
        unsigned written, switched, removed;
        uint64_t bytes;
} UpdateResult;

/* 0; -EINTR: interrupted; -EAGAIN: a source keeps changing; other errno: failed, the old set is unchanged.
 * *RETERR says why. *RET counts what was done; on failure only bytes and files removed. */
int update_helper(const Updater *updater, const Helper *helper, UpdateResult *ret, char **reterr);
