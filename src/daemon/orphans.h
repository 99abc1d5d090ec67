/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Children whose volume went before they ended: they are listened to, so that no pipe holds them up, and
 * reaped. What they say and how they end matters to nobody. */

#include "daemon/running.h"

typedef struct Orphans Orphans;

int orphans_new(sd_event *event, Orphans **ret);
Orphans *orphans_free(Orphans *o); /* those that still run go on alone */
DEFINE_CLEANUP(Orphans *, orphans_free);

/* Sends SIGNAL to the child of R, if it has one, and takes it over: R is left empty. */
void orphans_take(Orphans *o, Running *r, int signal);
bool orphans_any(const Orphans *o);
