/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the bus shows of a volume, and which part of it is new. Nothing is stored twice: a view is derived
 * from the record, and of what was last reported only the hash of each property is remembered. */

#include "daemon/record.h"
#include "daemon/world/peer.h"

/* HOLDER holds the lock of the volume; NULL: nobody. The view borrows from both until the volume's next
 * event. */
void shown_view(const Record *record, const Peer *holder, BusVolume *ret);

/* Compares with what was last reported and remembers the new values: *RET are the names of the properties
 * that changed, NULL if none did. 0, or -ENOMEM: nothing is remembered. */
int shown_take_changes(Record *record, const Peer *holder, char ***ret);
