/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the end of a scan changes in what is kept of its volume: its report, and whether the kernel tells of
 * all changes. */

#include "daemon/record.h"

/* The report of the scan that ended takes the place of the one before. OTHERS is what those of the other
 * untrusted volumes take, see report_size(): anybody may ask for all in one message, and the bus throws out
 * who sends too large ones, so what nobody trusts is left out where it is too much. */
void findings_take_report(Record *record, size_t others);

/* Where the kernel does not tell of all changes the volume is scanned on a timer, and says so. MISSING: that
 * many volumes, this one too, have no inotify instance. */
void findings_note_watching(Record *record, size_t missing);
