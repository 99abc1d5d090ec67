/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* systemd refuses to go down, or not, as we want it: by drop-ins of its targets. Normally none of these is
 * loaded and each is read when it is asked for, so systemd is only asked whether it knows; it is reloaded if
 * it does not. Nothing here waits: systemd may answer late, with errors or not at all, or not be there. */

#include <systemd/sd-event.h>

#include "base/util.h"

typedef struct Refusal Refusal;

typedef struct RefusalHandlers {
        void (*changed)(void *userdata); /* what systemd does is different now */
} RefusalHandlers;

/* HANDLERS and USERDATA must outlive it, and FOLDER, where systemd looks for drop-ins. What an earlier daemon
 * has left there goes. */
int refusal_new(sd_event *event, const char *folder, const RefusalHandlers *handlers, void *userdata,
                Refusal **ret);
/* The drop-ins go, but systemd is not asked any more. */
Refusal *refusal_free(Refusal *r);
DEFINE_CLEANUP(Refusal *, refusal_free);

/* TEXT: what is owed; NULL: systemd shall not refuse. */
void refusal_want(Refusal *r, const char *text);

/* Does systemd refuse? */
bool refusal_stands(const Refusal *r);
/* May one go down? Not before systemd has said that it no longer refuses. */
bool refusal_is_gone(const Refusal *r);
/* Did systemd have to be reloaded the last time? */
bool refusal_reloaded(const Refusal *r);
