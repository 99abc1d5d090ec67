/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"

/* The lock that bootkeepd gives, see org.bootkeep1(5), as any client takes it: so that a build waits its turn
 * among all who change the volume's caches. */
typedef struct BusLock BusLock;

typedef enum BusLockResult {
        BUSLOCK_TAKEN,
        BUSLOCK_NOBODY, /* no bus, no daemon, or it does not watch this volume: there is nobody to ask */
        BUSLOCK_REBOOT, /* the system is about to go down: nothing new is to be begun */
} BusLockResult;

/* Asks for the lock of VOLUME (`sda2[/@]`) and waits in line for it; calls WAITING, once a second, while
 * another holds it. *RET is set with BUSLOCK_TAKEN alone. -EINTR: interrupted while waiting, and out of the
 * line. Nothing else fails: that there is a lock depends on a daemon, that a volume can be built must not. */
int buslock_take(const char *volume, Interrupt *interrupt, void (*waiting)(void *userdata), void *userdata,
                 BusLock **ret, BusLockResult *ret_result);

/* Gives it back, saying how the build ended (BOOTKEEP_BUILD_*). A lock that is only freed counts as a
 * failure. Returns NULL. L may be NULL. */
BusLock *buslock_release(BusLock *l, int exit_status);
BusLock *buslock_free(BusLock *l);
DEFINE_CLEANUP(BusLock *, buslock_free);
