/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a call waits for, and whether that is answered by what a volume has come to. Pure: it knows neither
 * the call nor who made it. */

#include "daemon/core/outcome.h"
#include "daemon/core/volume.h"

typedef enum WaitFor {
        WAIT_FOR_SCAN,       /* of a volume, */
        WAIT_FOR_BUILD,      /* for a build of it, */
        WAIT_FOR_UNMOUNT,    /* until nothing is owed on it, */
        WAIT_FOR_LOCK,       /* for its lock */
        WAIT_FOR_REBOOT,     /* for the reboot lock, */
        WAIT_FOR_REBOOT_NOW, /* but for no other holder and no volume known to be busy */
        WAIT_FOR_QUIET,      /* until nothing is owed anywhere */
        WAIT_FOR_INHIBITOR,  /* until logind has answered */
} WaitFor;

typedef struct Wait {
        WaitFor what;
        uint64_t build; /* WAIT_FOR_BUILD: the number of the first build that answers it */
} Wait;

typedef enum MilestoneKind {
        MILESTONE_SCANNED, /* a scan ended, and none follows at once */
        MILESTONE_BUILT,   /* a build ended */
        MILESTONE_STATE,   /* a state was reached, which may be the end of what happens by itself */
} MilestoneKind;

/* What a volume has come to. */
typedef struct Milestone {
        MilestoneKind kind;
        uint64_t build; /* the number of the build; NOTHING_TO_BUILD: there turned out to be nothing to do */
        bool well;      /* it is built, or fresh */
} Milestone;

#define NOTHING_TO_BUILD UINT64_MAX

/* The answer at this MILESTONE to a call that waits like W for V; _OUTCOME_MAX: it goes on waiting. */
Outcome wait_outcome(const Wait *w, const Milestone *milestone, const Volume *v);

/* Does V stay in its state until somebody wants something, something changes, or a retry is due? */
bool wait_rests(const Volume *v);
