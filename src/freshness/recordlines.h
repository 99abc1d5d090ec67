/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "freshness/stamp.h"
#include "helper/helperrecord.h"

/* The record of a helper as lines of its stamp, which bootkeep-build writes:
 *
 *   state intent                 a build was under way: what stands there may be of either set
 *   filesystem UUID
 *   carries ROLE PATH HEX SIZE BOOT TO SOURCE DESCRIPTION
 *   adopts …                     the same of a file that somebody else wrote
 *   previous ROLE PATH HEX SIZE BOOT   kept for what was booted in that boot
 *   ours PATH                    may be there and is ours to remove
 *   made PATH                    a directory that we made */

/* Reads the record in STAMP. -EBADMSG: it is not understood, which amounts to none; *RET is unchanged.
 * -ENOMEM. */
int record_lines_read(const Stamp *stamp, HelperRecord *ret);

/* Adds the lines of RECORD to STAMP. -ENOMEM; -EBADMSG: a value that would not be read back unchanged. */
int record_lines_add(const HelperRecord *record, Stamp *stamp);
