/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Questions about a volume that only its files answer: what its caches are made from. bootkeep-scan reads
 * them, in its sandbox, and what it prints is the answer. */

#include "daemon/daemon.h"

typedef struct Inquiries Inquiries;

int inquiries_new(Daemon *d, Inquiries **ret);
Inquiries *inquiries_free(Inquiries *i);
DEFINE_CLEANUP(Inquiries *, inquiries_free);

/* CALLER asks what CACHE ("": each) of RECORD is made from, and is answered when that is known, or not in
 * time. */
void inquiries_ask_sources(Inquiries *i, const Record *record, const char *cache, const Caller *caller);

/* Nobody waits for its answers any more. */
void inquiries_peer_gone(Inquiries *i, const Peer *peer);
