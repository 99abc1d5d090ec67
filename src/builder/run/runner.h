/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "builder/run/spawn.h"
#include "builder/run/trace.h"
#include "manifest/definition.h"

/* One builder process from start to exit. When runner_run returns, nothing that it started is left. */

typedef enum RunnerOutcome {
        RUNNER_SUCCESS,
        RUNNER_NOT_NOW,     /* exit status 75 */
        RUNNER_FAILED,      /* could not be started, failed, killed, timed out */
        RUNNER_INTERRUPTED, /* stopped because we were told to stop */
} RunnerOutcome;

typedef struct RunnerJob {
        SpawnProgram program;
        int root; /* the volume's root directory; -EBADF: it runs where we do, and nothing is learned */
        const char *place;     /* run on the host, where the volume is mounted here; NULL: run in it */
        Trace *trace;          /* filled with what it uses of the volume; NULL: nobody wants to know */
        DefinitionLearn learn; /* what of it, if TRACE */
        uint64_t timeout_usec; /* USEC_INFINITY: none */
        void (*line)(const char *line, void *userdata); /* for each line of its output, see linecutter.h */
        /* Called once a second while it runs: was it active since the last time (activity.h), or has it
         * printed anything? May be NULL. */
        void (*beat)(bool active, void *userdata);
        void *userdata;
        Interrupt *interrupt; /* may be NULL */
} RunnerJob;

/* 0: it ran or could not run, *RET is the outcome, *RET_REASON (NULL on success) the text for people, "exited
 * with status 3". Negative errno: out of memory or descriptors; nothing is left running then either. */
int runner_run(const RunnerJob *job, RunnerOutcome *ret, char **ret_reason);
