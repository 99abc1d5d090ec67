/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sees how far the last chance gets, whoever reports it: shows it on the console, asks systemd for the time
 * that it takes, and records what is owed: at once, so that it is said again even if this is the end, and
 * again with the final reason. */

#include "flush/console.h"

typedef struct Witness {
        const char *owed_dir; /* borrowed */
        Console console;
        Snapshot last;
        char **recorded; /* strv of the keys that we wrote */
        bool saw_any;
        uint64_t give_up_at; /* CLOCK_BOOTTIME: nothing is waited for any longer; USEC_INFINITY */
} Witness;

void witness_done(Witness *w);
/* Takes over S. */
void witness_take(Witness *w, Snapshot *s);
/* There will be no more. Returns true if nothing is owed. */
bool witness_conclude(Witness *w);
