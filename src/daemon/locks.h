/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who may change a volume, and who may take the system down: joins the calls of D-Bus clients, the lock of
 * each volume, the reboot lock and the machines of the volumes. lock.c and volume.c make the decisions. */

#include "daemon/access.h"
#include "daemon/daemon.h"

typedef struct Locks Locks;

/* Hooks itself into D. */
int locks_new(Daemon *d, Bus *bus, const Access *access, Locks **ret);
/* Waiters get no reply: the bus tells them that we are gone. */
Locks *locks_free(Locks *l);
DEFINE_CLEANUP(Locks *, locks_free);

/* Each replies to CALL, now or later. */
void locks_lock_volume(Locks *l, Record *r, uint32_t flags, const Peer *peer, BusCall *call);
/* A: the status, and what the client says about it, if anything. */
void locks_unlock_volume(Locks *l, Record *r, const BusArguments *a, const Peer *peer, BusCall *call);
void locks_lock_reboot(Locks *l, uint32_t flags, const Peer *peer, BusCall *call);
void locks_flush(Locks *l, uint64_t timeout, const Peer *peer, BusCall *call);

/* The unique name of the client that holds the lock of R. */
const char *locks_holder_name(const Locks *l, const Record *r);
/* Is R locked by somebody, so that it cannot be prepared for unmounting? */
bool locks_is_locked(const Record *r);

/* Is the system about to go down, so that no build starts? */
bool locks_reboot_is_locked(const Locks *l);

/* A client has vanished: it loses what it held and leaves every line. */
void locks_peer_gone(Locks *l, const Peer *peer);

/* What the manager shows of the reboot lock. */
void locks_view(const Locks *l, BusManager *ret);
