/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "base/progress.h"
#include "freshness/freshness.h"

/* Brings one helper up to date: it carries the old set or the new one, complete, at every instant. */
typedef struct Updater {
        const FreshnessContext *context;
        Interrupt *interrupt; /* or NULL */
        Progress *progress;   /* or NULL */
        const char *boot_id, *cmdline;
        bool running; /* the volume is the root of the running system */
        bool force;   /* also where it is fresh; reads everything; no guards */
} Updater;

typedef struct UpdateResult {
        bool fresh; /* nothing was to be done; not even looked at */
        unsigned written, switched, removed;
        uint64_t bytes;
} UpdateResult;

/* 0; -EINTR: interrupted; -EAGAIN: a source changes all the time; other errno: failed, the old set stands.
 * *RETERR says why. *RET counts what was done, also on failure. */
int update_helper(const Updater *updater, const Helper *helper, UpdateResult *ret, char **reterr);
