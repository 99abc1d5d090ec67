/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a client did with the lock of a volume, in words: for the log, and as the reason of a failure. What
 * the client says about it is quoted as such: bounded, on one line, and after its name, so that it cannot be
 * mistaken for what the daemon says. */

#include "daemon/world/peer.h"

/* Bytes of a client's own words that are kept. */
#define CLIENTTEXT_MAX 1024U

/* It released the lock with STATUS. SAID: its own words, or NULL or "". NULL: out of memory. */
char *clienttext_released(const Peer *peer, int status, const char *said);
/* It still held the lock when the system went down. NULL: out of memory. */
char *clienttext_late(const Peer *peer);
/* It vanished while it held the lock. NULL: out of memory. */
char *clienttext_vanished(const Peer *peer);
