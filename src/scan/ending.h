/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a scan ends: its last records, the words for what went wrong, and its exit status. */

#include "scan/watcher.h"

/* What the last records speak of. Borrowed. */
typedef struct Ending {
        const Watcher *watcher;
        const char *volume;   /* NULL: not known yet */
        const char *manifest; /* its path, NULL: likewise */
        bool quiet;           /* stderr does not repeat what the records say */
} Ending;

/* Each of these prints WATCHES, UNWATCHED, REASON and RESULT, as far as there is something to say, and
 * returns the exit status: STATUS (of BOOTKEEP_SCAN_*), or that of an error if the records cannot be
 * written. */
int ending_say(const Ending *e, int status, const char *reason); /* REASON may be NULL */
int ending_say_error(const Ending *e, const char *format, ...) _printf_(2, 3);

/* R stopped the scan while it looked at WHAT: an error, or the manifest is refused as it names too much. */
int ending_say_stopped(const Ending *e, int r, const char *what);

/* R is what reading the manifest or making its plan returned, with REASON or NULL. */
int ending_say_refused(const Ending *e, int r, const char *reason);
