/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was owed when the system last went down: read once, said until the volume in question is up to date,
 * or no longer trusted; then its record is removed. */

#include "base/owed.h"
#include "daemon/roster.h"

typedef struct Ledger {
        char *dir;
        OwedList list;
} Ledger;

void ledger_done(Ledger *ledger);
/* Reads the records below STATE again. What cannot be read is logged: it never holds anything up. -ENOMEM. */
int ledger_read(Ledger *ledger, const char *state);
/* Removes what is settled by now. Returns true if there was any. */
bool ledger_settle(Ledger *ledger, const Roster *volumes);
