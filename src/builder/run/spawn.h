/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "builder/run/builderspace.h"
#include "builder/run/lookups.h"

typedef struct SpawnProgram {
        const char *name;          /* of the builder, for messages */
        char *const *argv;         /* argv[0] is an absolute path */
        char *const *environ;      /* added to what each gets: PATH, LANG, SOURCE_DATE_EPOCH, HOME, TERM */
        const BuilderSpace *space; /* where it runs; NULL: where we do */
        const Lookups *lookups;    /* who answers for what it looks at; NULL: nobody is asked */
} SpawnProgram;

/* A builder that has been started. */
typedef struct Spawn {
        pid_t pid; /* of its nanny, which exits as it does; both have a process group of their own */
        int pidfd;
        int output_fd; /* its stdout and stderr; non-blocking */
} Spawn;

#define SPAWN_NULL ((Spawn){.pidfd = -EBADF, .output_fd = -EBADF})
void spawn_done(Spawn *s); /* closes; does not stop the process */

/* Returns when the child executes its program. -ENOEXEC: it could not, nothing is left of it, *RETERR says
 * why; other errno: no process could be created. */
int spawn_start(const SpawnProgram *program, Spawn *ret, char **reterr);
