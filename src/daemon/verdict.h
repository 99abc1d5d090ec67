/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the end of a scan means for what is kept of its volume. */

#include "daemon/record.h"

/* What the machine is to be told of a scan that ended with STATUS (running_conclude()). */
VolumeEvent verdict_of_scan(const Record *r, int status);
/* The state that a caller of Scan is told: settling again, the verdict counts all the same. */
const char *verdict_to_string(const Record *r, VolumeEvent verdict);

/* The report of the scan that ended takes the place of the one before. OTHERS is what those of untrusted
 * volumes take besides, see report_size(): anybody may ask for all in one message, and the bus throws out who
 * sends too large ones, so what nobody trusts is left out where it is too much. */
void verdict_take_report(Record *r, size_t others);

/* Where the kernel does not tell of all changes the volume is scanned on a timer, and says so. MISSING: that
 * many volumes, this one too, have no inotify instance. */
void verdict_note_watching(Record *r, size_t missing);
