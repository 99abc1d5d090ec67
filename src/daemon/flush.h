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
void flush_request(Flush *f, uint64_t timeout, const Caller *caller);
/* After each batch of events: if everything is quiet all are answered. */
void flush_settled(Flush *f);
