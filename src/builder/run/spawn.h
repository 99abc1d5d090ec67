/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "builder/run/runner.h"

/* A builder that has been started. */
typedef struct Spawn {
        pid_t pid; /* of its nanny, which ends as it ends; both have a process group of their own */
        int pidfd;
        int output_fd; /* its stdout and stderr; non-blocking */
} Spawn;

#define SPAWN_NULL ((Spawn){.pidfd = -EBADF, .output_fd = -EBADF})
void spawn_done(Spawn *s); /* closes; does not end the process */

/* Returns when the child runs its program. -ENOEXEC: it could not, nothing is left of it, *RETERR says why;
 * other errno: no process could be made. */
int spawn_start(const RunnerJob *job, Spawn *ret, char **reterr);
