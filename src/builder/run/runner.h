/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"

/* One builder process from start to end. When runner_run returns, nothing that it started is left. */

typedef enum RunnerOutcome {
        RUNNER_SUCCESS,
        RUNNER_NOT_NOW,     /* exit status 75 */
        RUNNER_FAILED,      /* could not be started, failed, killed, timed out */
        RUNNER_INTERRUPTED, /* stopped because we are to end */
} RunnerOutcome;

typedef struct RunnerJob {
        const char *name;      /* of the builder, for messages */
        char *const *argv;     /* argv[0] an absolute path */
        char *const *environ;  /* added to PATH, LANG, HOME and TERM, all that it gets */
        int root;              /* run inside this directory; -EBADF: on the host */
        uint64_t timeout_usec; /* USEC_INFINITY: none */
        void (*line)(const char *line, void *userdata); /* what it prints, see linecutter.h */
        void (*runs)(void *userdata);                   /* called once a second while it does; may be NULL */
        void *userdata;
        Interrupt *interrupt; /* may be NULL */
} RunnerJob;

/* 0: it ran or could not, *RET says how it went, *RET_REASON (NULL on success) for people, "exited with
 * status 3". Negative errno: out of memory or descriptors; nothing runs then either. */
int runner_run(const RunnerJob *job, RunnerOutcome *ret, char **ret_reason);
