/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Refuse=yes: while work is owed, systemd refuses to go down, unless a client does so with our consent. Joins
 * the volumes, the reboot lock and systemd; refuse.c decides. */

#include "daemon/goingdown.h"

typedef struct Refusing Refusing;

/* While systemd refuses, GOING delays nothing, and REBOOT is granted to nobody. */
int refusing_new(Daemon *d, RebootLock *reboot, GoingDown *going, Refusing **ret);
Refusing *refusing_free(Refusing *r);
DEFINE_CLEANUP(Refusing *, refusing_free);

/* After each batch of events. */
void refusing_settled(Refusing *r);

/* Has systemd no longer refuse, whatever an earlier daemon left, and waits for that; without a daemon. */
int refusing_end(const char *folder);
