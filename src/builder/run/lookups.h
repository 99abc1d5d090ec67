/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a builder looks at without opening it, and what it looks for in vain: its system calls wait until we
 * have seen them (seccomp_unotify(2)) and then go on, as if nobody had. And what would hide from fanotify(7)
 * what it opens: a mount namespace of its own, a bind mount of the volume, its device mounted once more. That
 * makes the trace incomplete.
 *
 * A disk that hangs may hold us as it would hold the builder. */

#include "builder/run/lookupfilter.h"
#include "builder/run/trace.h"

typedef struct Lookups Lookups;

typedef struct LookupsJob {
        LookupScope scope;
        const char *program; /* argv[0] of the builder, the string that its execve(2) will get */
        const char *volume;  /* where the volume is, as the builder sees it: "/", "/mnt" */
        Trace *trace;        /* what is seen is added to it; outlives the object */
} LookupsJob;

/* Before the fork. -ENOMEM. What else goes wrong, here and later, makes the trace incomplete. */
int lookups_new(const LookupsJob *job, Lookups **ret);
Lookups *lookups_free(Lookups *lookups); /* a builder that is still there gets ENOSYS from now on */
DEFINE_CLEANUP(Lookups *, lookups_free);

/* In the child: from here on it is seen, and so is all that it starts. Afterwards it may make no call that is
 * reported, but the execve(2) of its program: whoever would answer waits for that. */
void lookups_install(const Lookups *lookups);

/* In the parent, when the program runs: looks whether the child did. -ENOMEM. */
int lookups_begin(Lookups *lookups);

/* To be polled (POLLIN). -EBADF: nobody will ever ask again. */
int lookups_get_fd(const Lookups *lookups);

/* After POLLIN or POLLHUP: answers one call, and those that follow at once: may take a third of a second.
 * -ENOMEM: the trace lacks something and could not be told. */
int lookups_serve(Lookups *lookups, short events);
