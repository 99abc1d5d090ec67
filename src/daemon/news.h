/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the log and the bus are told of a volume: what changed since they were last told, once each. */

#include "base/log.h"
#include "daemon/record.h"

/* The fields of a message about R. MESSAGE_ID may be NULL. */
LogFields news_fields(const Record *r, const char *message_id);

/* Tells what is new of R; BUS may be NULL. */
void news_tell(Bus *bus, Record *r);
/* PROPERTIES (ended by NULL) of R, which no state shows, have changed. */
void news_tell_properties(Bus *bus, const Record *r, const char *const *properties);
