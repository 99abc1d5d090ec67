/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The last chance before the system goes down: everything that is owed is scanned and built now, for as long
 * as there are signs of life. How far that has got is reported once a second, for bootkeep-flush, which shows
 * it and records what remains. Locks are handled by whoever begins it. */

#include "base/owed.h"
#include "daemon/core/chance.h"
#include "daemon/daemon.h"

typedef struct LastChanceHandlers {
        /* What is owed now (N may be 0), and the time that is left for it. Borrowed. */
        void (*progress)(void *userdata, uint64_t left_usec, const OwedView *views, size_t n);
        void (*ended)(void *userdata);
        void *userdata;
} LastChanceHandlers;

typedef struct LastChance {
        Daemon *daemon; /* borrowed */
        LastChanceHandlers handlers;
        Chance chance;
        bool runs;
        size_t told; /* how many were owed when that was last reported */
        sd_event_source *tick;
} LastChance;

void lastchance_init(LastChance *l, Daemon *d, const LastChanceHandlers *handlers);
void lastchance_deinit(LastChance *l);

/* PATIENCE: how long without a sign of life, in microseconds. Nothing, if one runs already. */
int lastchance_begin(LastChance *l, uint64_t patience);
/* After each batch of events. */
void lastchance_settled(LastChance *l);
/* Names of the volumes that are owed, as a strv of the caller's. */
int lastchance_owed(const LastChance *l, char ***ret);
