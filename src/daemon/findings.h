/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the end of a scan changes about its volume: its report, and whether the kernel reports all changes. */

#include "daemon/record.h"

/* The report of the finished scan replaces the previous one. OTHERS is the size of those of the other
 * untrusted volumes, see report_size(): anybody may request all of them in one message, and the bus
 * disconnects whoever sends too large ones, so details of untrusted volumes are dropped if they are too
 * large. */
void findings_take_report(Record *record, size_t others);

/* If the kernel does not report all changes, the volume is scanned on a timer, and this is logged. MISSING:
 * the number of volumes, including this one, without an inotify instance. */
void findings_note_watching(Record *record, size_t missing);
