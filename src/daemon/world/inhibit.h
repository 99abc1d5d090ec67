/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* logind's inhibitors: takes and releases those that are wanted, and hears when the system is about to go
 * down. Nothing here waits: logind may answer late, with errors or not at all, may be restarted, or not be
 * there. An inhibitor that is held is replaced only when the new one is there, so that there is no gap
 * between the two. */

#include <systemd/sd-event.h>

#include "daemon/core/inhibition.h"

typedef struct Inhibit Inhibit;

typedef struct InhibitHandlers {
        /* What an inhibitor of this KIND says to people, in UTF-8; taken over. NULL: out of memory. */
        char *(*describe)(void *userdata, Inhibitor kind);
        /* What is held, or whether logind prepares, is different now. */
        void (*changed)(void *userdata);
} InhibitHandlers;

/* HANDLERS and USERDATA must outlive it. */
int inhibit_new(sd_event *event, const InhibitHandlers *handlers, void *userdata, Inhibit **ret);
/* Releases all of them. */
Inhibit *inhibit_free(Inhibit *i);
DEFINE_CLEANUP(Inhibit *, inhibit_free);

/* Connects to the bus, now or when there is one, unless that was done before. */
void inhibit_start(Inhibit *i);

/* WANTED is a set of Inhibitor: those that are held and not in it are released at once, others are asked for.
 */
void inhibit_want(Inhibit *i, unsigned wanted);
/* What they say may be different now: those for which it is are replaced. */
void inhibit_renew(Inhibit *i);

/* Sets of Inhibitor: those that are held, and those that logind was asked for and has not answered. */
unsigned inhibit_held(const Inhibit *i);
unsigned inhibit_asked(const Inhibit *i);
/* Is logind about to take the system down? */
bool inhibit_prepares(const Inhibit *i);

/* What is held, a line for each: its mode, and what it says. "" for none. Owned by the caller; NULL: out of
 * memory. */
char *inhibit_list(const Inhibit *i);
