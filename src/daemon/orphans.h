/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Children whose volume went away before they exited: their output is read, so that no pipe blocks them, and
 * they are reaped. What they print and how they exit does not matter to anybody. */

#include "daemon/running.h"

typedef struct Orphans Orphans;

int orphans_new(sd_event *event, Orphans **ret);
Orphans *orphans_free(Orphans *o); /* those still running are left to themselves */
DEFINE_CLEANUP(Orphans *, orphans_free);

/* Sends SIGNAL to the child of R, if it has one, and takes it over: R is left empty. What runs in a unit gets
 * the signal, too, but is left to systemd. */
void orphans_take(Orphans *o, Running *r, int signal);
bool orphans_any(const Orphans *o);
