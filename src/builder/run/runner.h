/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"

/* One builder process from start to exit. When runner_run returns, nothing that it started is left. */

typedef enum RunnerOutcome {
        RUNNER_SUCCESS,
        RUNNER_NOT_NOW,     /* exit status 75 */
        RUNNER_FAILED,      /* could not be started, failed, killed, timed out */
        RUNNER_INTERRUPTED, /* stopped because we were told to stop */
} RunnerOutcome;

typedef struct RunnerJob {
        const char *name;      /* of the builder, for messages */
        char *const *argv;     /* argv[0] an absolute path */
        char *const *environ;  /* added to PATH, LANG, HOME and TERM, which is all that it gets */
        int root;              /* run inside this directory; -EBADF: on the host */
        uint64_t timeout_usec; /* USEC_INFINITY: none */
        void (*line)(const char *line, void *userdata); /* for its output, see linecutter.h */
        void (*runs)(void *userdata);                   /* called once a second while it runs; may be NULL */
        void *userdata;
        Interrupt *interrupt; /* may be NULL */
} RunnerJob;

/* 0: it ran or could not run, *RET is the outcome, *RET_REASON (NULL on success) the text for people, "exited
 * with status 3". Negative errno: out of memory or descriptors; nothing is left running then either. */
int runner_run(const RunnerJob *job, RunnerOutcome *ret, char **ret_reason);
