/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the bus shows of a volume, and what of that is new. Nothing is kept twice: a view is read off the
 * record, and of what was told last only the hash of each property is remembered. */

#include "daemon/record.h"
#include "daemon/world/peer.h"

/* HOLDER has the lock of the volume; NULL: nobody. The view borrows from both until the volume's next event.
 */
void shown_view(const Record *record, const Peer *holder, BusVolume *ret);

/* Compares with what was told and remembers that: *RET are the names of the properties that changed, NULL
 * where none did. 0 or -ENOMEM: nothing is remembered. */
int shown_take_changes(Record *record, const Peer *holder, char ***ret);
