/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The side of a build that runs in a sandbox: what lies outside of it, the volume in the mount namespace of
 * the host and its builders, it reaches through a socket to the host of its builders (builderhost.h). */

#include "builder/run/runner.h"
#include "tree/root.h"

typedef struct BuilderLink {
        int socket; /* SOCK_SEQPACKET */
        Interrupt *interrupt;
        int held[2]; /* kept open by the host as long as a builder of ours may run; -EBADF: none */
        /* The host has gone: why, for people; NULL: not known. */
        char *(*explain)(void *userdata);
        void *userdata;
} BuilderLink;

#define BUILDER_LINK_NULL ((BuilderLink){.socket = -EBADF, .held = {-EBADF, -EBADF}})

/* As root_open(); MAKE: also what is missing of the state directory, as far as possible. -ECONNRESET: the
 * host has gone. */
int builderlink_open_volume(const BuilderLink *link, const char *mount_point, uint64_t mount_id, bool make,
                            Root **ret);

/* As runner_run(), outside. INSIDE: in the volume. Root, place and interrupt of JOB do not
 * count. */
int builderlink_run(const BuilderLink *link, const RunnerJob *job, bool inside, RunnerOutcome *ret,
                    char **ret_reason);
