/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/patience.h"

/* The lock given out by bootkeepd, see org.bootkeep1(5), taken as by any client: so that a build waits its
 * turn among all clients that change the volume's caches. */
typedef struct BusLock BusLock;

typedef enum BusLockResult {
        BUSLOCK_TAKEN,
        BUSLOCK_NOBODY, /* no bus, no daemon, or it does not watch this volume: there is nobody to ask */
        BUSLOCK_BUSY,   /* a client holds it, and the caller did not want to wait */
        BUSLOCK_REBOOT, /* the system is about to go down: nothing new may begin */
} BusLockResult;

typedef struct BusLockRequest {
        const char *volume; /* `sda2[/@]` */
        bool no_wait;       /* do not wait in line while another holds it: BUSLOCK_BUSY */
        Patience patience;  /* with the daemon, and in line */
} BusLockRequest;

/* Requests the lock. *RET is set only with BUSLOCK_TAKEN; with BUSLOCK_BUSY *RET_HOLDER says who has it:
 * "sda2 is locked by :1.7". -EINTR: interrupted while waiting, and out of the line; -ENOMEM. There are no
 * other errors: whether there is a lock depends on the daemon, but whether a volume can be built must not. */
int buslock_take(const BusLockRequest *request, BusLock **ret, BusLockResult *ret_result, char **ret_holder);

/* Something that the volume boots from begins to be between two sets (BETWEEN), or no longer is: the daemon
 * keeps the system from going down meanwhile, as far as it can. It is waited for, but not for long, and only
 * the first time that it does not answer. */
void buslock_tell_between(BusLock *lock, bool between);

/* The connection that holds it, `:1.42`; NULL: not known. LOCK may be NULL. */
const char *buslock_client(const BusLock *lock);

/* Its socket: whoever has a copy keeps the lock alive. -EBADF: none. LOCK may be NULL. */
int buslock_get_fd(const BusLock *lock);

/* Releases it and reports how the build ended (BOOTKEEP_BUILD_*) and why (REASON, may be NULL): this way the
 * daemon knows the reason, whoever ran the build. A lock that is only freed counts as a failure. Both return
 * NULL; LOCK may be NULL. */
BusLock *buslock_release(BusLock *lock, int exit_status, const char *reason);
BusLock *buslock_free(BusLock *lock);
DEFINE_CLEANUP(BusLock *, buslock_free);
