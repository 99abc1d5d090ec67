/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A lock: one holder, and a line of waiters, first come, first served. Each volume has one, and so has the
 * reboot. Pure: it knows clients by number and calls by the requests that their owner embeds; explored
 * exhaustively by tests/unit/test-lock.c.
 *
 * The rule between the two kinds is enforced here, too: while the reboot lock is held no volume lock is
 * granted, not even to a waiter. */

#include <assert.h>

#include "base/util.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

typedef uint64_t LockClient; /* a connection to the bus; 0 is nobody */

/* A waiter; embedded in what its owner keeps of the call. */
typedef struct LockRequest {
        LockClient client;
        UT_hash_handle hh; /* by client, in order of arrival */
} LockRequest;

typedef struct Lock {
        LockClient holder;
        LockRequest *line;
} Lock;

typedef enum LockAnswer {
        LOCK_GRANTED,
        LOCK_WAITS,              /* the request is in line */
        LOCK_BUSY,               /* another holds it, and the caller does not want to wait */
        LOCK_ALREADY,            /* the caller already holds it, or is in line */
        LOCK_REBOOT_IN_PROGRESS, /* the reboot lock is held */
        LOCK_FREED,
        LOCK_NOT_LOCKED,
        LOCK_NOT_HOLDER,
} LockAnswer;

/* CLIENT requests L. REBOOT is the reboot lock, or NULL if L is that. WAIT is its request, or NULL: it does
 * not want to wait. If nobody holds L but others are in line, CLIENT comes after them. -ENOMEM or a
 * LockAnswer. */
int lock_ask(Lock *l, const Lock *reboot, LockClient client, LockRequest *wait);

/* CLIENT gets in line for L, even if it is free: for the reboot lock, which is held up by more than its
 * holder. -ENOMEM, LOCK_WAITS or LOCK_ALREADY. */
int lock_wait(Lock *l, LockClient client, LockRequest *request);

/* CLIENT releases L. */
LockAnswer lock_give_back(Lock *l, LockClient client);

/* If L is free and may be granted, its first waiter holds it now and has left the line: the request is
 * returned to be answered. NULL: nobody. */
LockRequest *lock_next(Lock *l, const Lock *reboot);

/* The first in line, who stays there; NULL: nobody waits. */
LockRequest *lock_first(const Lock *l);
/* CLIENT's request in line, or NULL. */
LockRequest *lock_find(const Lock *l, LockClient client);
/* Leaves the line. */
void lock_leave(Lock *l, LockRequest *request);

unsigned lock_waiters(const Lock *l);
