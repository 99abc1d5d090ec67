/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The volumes that there are, and what is asked of all of them at once. Knows no event loop; changes no
 * volume. */

#include "daemon/record.h"

typedef struct Roster {
        Record **items; /* in order of appearance */
        size_t n;
} Roster;

#define ROSTER_NULL ((Roster){})
void roster_done(Roster *r);

/* Takes over RECORD. -ENOMEM: it is still the caller's. */
int roster_add(Roster *r, Record *record);
/* Gives back the record at I. */
Record *roster_take(Roster *r, size_t i);

/* Is it still there? RECORD may be gone: it is not looked into. */
bool roster_has(const Roster *r, const Record *record);
Record *roster_find(const Roster *r, const char *name);
/* By whatever a person may call it. A name means its own volume, before those that merely lie on a device of
 * that name. */
Record *roster_look_up(const Roster *r, const char *argument);
/* In order of appearance; behind NULL comes the first. */
Record *roster_next(const Roster *r, const Record *record);

/* Names of the busy volumes, as a strv of the caller's. */
int roster_busy(const Roster *r, char ***ret);
/* Does any have a child that runs? */
bool roster_any_runs(const Roster *r);
/* Is work of a trusted volume waiting? */
bool roster_any_stale(const Roster *r);
/* How many hold a slot, against MaxScans= and MaxBuilds=. */
unsigned roster_scans(const Roster *r);
unsigned roster_builds(const Roster *r);
/* Which volume gets the next scan slot: one that somebody waits for on D-Bus before others, and that which
 * has waited longest among equals. NULL: none waits for one. */
Record *roster_next_to_scan(const Roster *r);
/* Which volume gets the next build slot: that which has been stale longest. NULL: none waits for one alone.
 */
Record *roster_next_to_build(const Roster *r);
/* How many have no inotify instance. */
size_t roster_without_watch(const Roster *r);
/* What the reports of those that nobody trusts take on the bus, see report_size(). */
size_t roster_untrusted_size(const Roster *r);
