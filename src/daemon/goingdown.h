/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The system going down, as logind announces it: joins the volumes and logind's inhibitors. What is owed is
 * done at once then, as far as nothing holds it back, and the inhibitor released when it is. inhibition.c
 * decides which are held. */

#include "daemon/rebootlock.h"

typedef struct GoingDown GoingDown;

int goingdown_new(Daemon *d, Bus *bus, const RebootLock *reboot, GoingDown **ret);
GoingDown *goingdown_free(GoingDown *g);
DEFINE_CLEANUP(GoingDown *, goingdown_free);

/* After each batch of events. */
void goingdown_settled(GoingDown *g);

/* Something that RECORD boots from begins to be between two sets (BEGINS), or no longer is, says CALLER, who
 * holds its lock. Replies, when an inhibitor is held, or cannot be. */
void goingdown_switch(GoingDown *g, Record *record, bool begins, const Caller *caller);

/* Does systemd itself refuse to go down, by a drop-in of ours? Nothing is delayed then. */
void goingdown_set_refused(GoingDown *g, bool refused);

/* Has logind announced that the system goes down, and not taken that back? */
bool goingdown_prepares(const GoingDown *g);
/* What is owed, and where, in words. Owned by the caller; NULL: out of memory. */
char *goingdown_describe(const GoingDown *g);

/* What we hold, and why: a line for each inhibitor. "" for none. */
const char *goingdown_inhibiting(const GoingDown *g);
