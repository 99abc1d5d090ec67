/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* bootkeepd --flush: the last chance, without a bus, for bootkeep-flush when no bootkeepd answers. Says on
 * stdout how far it is, one snapshot after the other, words escaped as in escape.h:
 *
 *   LEFT USEC                                 the time that is left; begins a snapshot
 *   OWED VOLUME UUID PERCENT DOING REASON     a volume; PERCENT as in OwedView
 *   SHOWN                                     ends a snapshot
 *   END                                       after the last one */

#include "daemon/lastchance.h"

typedef struct OneShot {
        Daemon *daemon; /* borrowed */
        FILE *f;        /* likewise */
        LastChance last_chance;
} OneShot;

/* Begins as soon as the loop runs, and stops the daemon when it has ended. */
int oneshot_begin(OneShot *o, Daemon *d, FILE *f);
void oneshot_done(OneShot *o);
