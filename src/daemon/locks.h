/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who may change a volume: joins the calls of D-Bus clients, the lock of each volume and its machine. lock.c
 * and volume.c make the decisions. */

#include "daemon/access.h"
#include "daemon/daemon.h"

typedef struct Locks Locks;

int locks_new(Daemon *d, Access *access, Locks **ret);
Locks *locks_free(Locks *l);
DEFINE_CLEANUP(Locks *, locks_free);

/* Each replies to CALLER, now or later. */
void locks_lock_volume(Locks *l, Record *record, uint32_t flags, const Caller *caller);
/* A: the status, and what the client says about it, if anything. */
void locks_unlock_volume(Locks *l, Record *record, const BusArguments *a, const Caller *caller);

/* Is CALLER the holder of the lock of RECORD? If not, it got the error. */
bool locks_check_holder(const Locks *l, const Record *record, const Caller *caller);

/* The unique name of the client that holds the lock of RECORD. */
const char *locks_holder_name(const Locks *l, const Record *record);
/* Is RECORD locked by somebody, so that it cannot be prepared for unmounting? */
bool locks_is_locked(const Record *record);

/* A build of RECORD goes on that an earlier daemon began: the lock is its again. BUS is ready. */
void locks_adopt(Locks *l, sd_bus *bus, Record *record);

/* Brings what is shown, and what is held back, in line with the lock of RECORD, which appeared or whose line
 * somebody left. */
void locks_follow(Locks *l, Record *record);
/* A client has vanished: it loses what it held. */
void locks_peer_gone(Locks *l, const Peer *peer);

/* The system goes down (ON): every lock is void, whoever waits for one is turned away, and only our own
 * builds get one. The reboot lock holds nothing back then. */
void locks_set_last_chance(Locks *l, bool on);

/* For rebootlock.c. While the reboot lock is held no other is granted: it lies here. */
Lock *locks_reboot(Locks *l);
/* It was granted: whoever waits for a volume would now wait in vain. */
void locks_turn_away(Locks *l);
/* It was released: the lines of the volumes move again. */
void locks_grant(Locks *l);
