/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What somebody else builds, such as the hooks of a kernel's package: Begin and Done. bootkeep-build records
 * before it what it is built from, and takes as built what was built after it; here it is known which records
 * there are, of which volume, and for how long they count. They are in a folder that outlives us, so a
 * bootkeepd that is started again goes on with them. */

#include "daemon/daemon.h"

typedef struct Handovers Handovers;

int handovers_new(Daemon *d, Handovers **ret);
Handovers *handovers_free(Handovers *h);
DEFINE_CLEANUP(Handovers *, handovers_free);

/* Begin: of RECORD, replies with a cookie. */
void handovers_begin(Handovers *h, Record *record, const BusArguments *a, const Caller *caller);
/* Done: of the cookie. */
void handovers_end(Handovers *h, const BusArguments *a, const Caller *caller);

/* PEER has vanished: it gets no reply, and what it has no cookie of is forgotten. */
void handovers_peer_gone(Handovers *h, const Peer *peer);
