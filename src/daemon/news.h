/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the log and the bus are told about a volume: what changed since the last time, once each. */

#include "base/log.h"
#include "daemon/record.h"
#include "daemon/world/peer.h"

/* The fields of a message about RECORD. MESSAGE_ID may be NULL. */
LogFields news_fields(const Record *record, const char *message_id);

/* Where news goes. BUS may be NULL. HOLDER returns who holds the lock of a volume, NULL: nobody. */
typedef struct News {
        Bus *bus;
        const Peer *(*holder)(void *userdata, const Record *record);
        void *userdata;
} News;

const Peer *news_holder(const News *news, const Record *record);

/* Reports what is new about RECORD. */
void news_tell(const News *news, Record *record);
/* PROPERTIES (NULL-terminated) of RECORD, which no event changes, have changed. */
void news_tell_properties(const News *news, const Record *record, const char *const *properties);
/* The build of RECORD has ended: reports how, and why it failed, regardless of its own log. */
void news_tell_build_ended(const News *news, const Record *record);
