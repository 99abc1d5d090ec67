/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The calls of Flush: they wait until nothing is owed anywhere, or as long as they want to, and are told what
 * is busy then. */

#include "daemon/daemon.h"

typedef struct Flush {
        Daemon *daemon; /* borrowed */
        WaiterQueue waiters;
} Flush;

void flush_init(Flush *f, Daemon *d);

/* TIMEOUT is in microseconds from now. Replies to CALLER, later. */
typedef struct FlushRequest {
        uint64_t timeout;
        bool in_hook; /* it is run by the package manager whose lock files exist */
} FlushRequest;
void flush_request(Flush *f, const FlushRequest *request, const Caller *caller);
/* Takes out of LOCKED what does not count: a package manager that has started a caller waits for it. */
void flush_forgive(const Flush *f, LockedFiles *locked);
/* After each batch of events: if everything is quiet all are answered. */
void flush_settled(Flush *f);
