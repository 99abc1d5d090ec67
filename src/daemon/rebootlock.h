/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who may take the system down: the client that holds the reboot lock, which nobody gets while anything is
 * owed or locked. lock.c has the line. */

#include "daemon/locks.h"

typedef struct RebootLock RebootLock;

int rebootlock_new(Daemon *d, Bus *bus, const Access *access, Locks *locks, RebootLock **ret);
RebootLock *rebootlock_free(RebootLock *l);
DEFINE_CLEANUP(RebootLock *, rebootlock_free);

/* It is granted to nobody as long as not IS_OPEN(USERDATA), and this is asked after each batch of events. */
void rebootlock_set_gate(RebootLock *l, bool (*is_open)(void *userdata), void *userdata);

/* Replies to CALLER, now or later. */
void rebootlock_request(RebootLock *l, uint32_t flags, const Caller *caller);
/* After each batch of events: whoever can be answered is. */
void rebootlock_settled(RebootLock *l);

/* Is the system about to go down, so that no build starts? */
bool rebootlock_is_held(const RebootLock *l);
/* What the manager shows of it; reports that it changed. */
void rebootlock_view(const RebootLock *l, BusManager *ret);
void rebootlock_tell(RebootLock *l);

/* A client has vanished: it loses the lock. */
void rebootlock_peer_gone(RebootLock *l, const Peer *peer, bool goes_down);
