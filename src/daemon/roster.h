/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All volumes, and questions about all of them at once. Knows no event loop; changes no volume. */

#include "daemon/record.h"

typedef struct Roster {
        Record **items; /* in order of appearance */
        size_t n;
} Roster;

#define ROSTER_NULL ((Roster){})
void roster_done(Roster *roster);

/* Takes over RECORD, whose name is unique. -ENOMEM: the caller still owns it. */
int roster_add(Roster *roster, Record *record);
/* RECORD, which must exist, is owned by the caller again. */
void roster_take(Roster *roster, const Record *record);

/* Does it still exist? RECORD may be gone: it is not accessed. */
bool roster_has(const Roster *roster, const Record *record);
Record *roster_find(const Roster *roster, const char *name);
/* By anything that a person may call it. A name means the volume of that name, before those that are merely
 * on a device of that name. */
Record *roster_look_up(const Roster *roster, const char *argument);
/* In order of appearance; after NULL comes the first. */
Record *roster_next(const Roster *roster, const Record *record);

/* Names of the busy volumes, as a strv of the caller's. */
int roster_busy(const Roster *roster, char ***ret);
/* Does any have a running child? */
bool roster_any_runs(const Roster *roster);
/* Does any hold off reboot and unmount? */
bool roster_any_busy(const Roster *roster);
/* Is work of a trusted volume waiting? */
bool roster_any_stale(const Roster *roster);
/* How many hold a slot, against MaxScans= and MaxBuilds=. A build that waits for another one, which somebody
 * runs by hand, gives its slot to others; when it continues there may be one more than MaxBuilds=. */
unsigned roster_scans(const Roster *roster);
unsigned roster_builds(const Roster *roster);
/* Which volume gets the next scan slot: one that a D-Bus client waits for before others, unless it was
 * scanned while one of them waited, and among equals the one that has waited longest. NULL: none waits for
 * one. */
Record *roster_next_to_scan(const Roster *roster, uint64_t now);
/* When the first of those just mounted may be scanned; USEC_INFINITY: there is none. */
uint64_t roster_next_scan_time(const Roster *roster, uint64_t now);
/* Which volume gets the next build slot: the one that has been stale longest. NULL: none only waits for
 * one. */
Record *roster_next_to_build(const Roster *roster);
/* How many have no inotify instance. */
size_t roster_without_watch(const Roster *roster);
/* The size on the bus of the reports of untrusted volumes, see report_size(); without that of EXCEPT. */
size_t roster_untrusted_size(const Roster *roster, const Record *except);
