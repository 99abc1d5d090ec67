/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The replies to calls of D-Bus clients, immediate or after a wait: the error and the words of each outcome
 * are in one place. */

#include "daemon/core/outcome.h"
#include "daemon/world/busreply.h"

/* SUBJECT and DETAIL may be NULL where the outcome has none. */
void answer(BusCall *call, Outcome outcome, const char *subject, const char *detail);

static inline void answer_done(BusCall *call) {
        answer(call, OUTCOME_DONE, NULL, NULL);
}

/* FLAGS are those that the caller passed, KNOWN those that exist. Returns true: there are others, and the
 * caller got an error. */
bool answer_refuses_flags(BusCall *call, uint32_t flags, uint32_t known);
