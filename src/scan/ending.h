/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The end of a scan: its last records, the words for what went wrong, and its exit status. */

#include "scan/watcher.h"

/* What the last records are about. Borrowed. */
typedef struct Ending {
        const Watcher *watcher;
        const char *volume;   /* NULL: not known yet */
        const char *manifest; /* its path, NULL: likewise */
        bool quiet;           /* do not repeat on stderr what the records say */
} Ending;

/* Each of these prints WATCHES, UNWATCHED, REASON and RESULT, where they apply, and returns the exit status:
 * STATUS (one of BOOTKEEP_SCAN_*), or that of an error if the records cannot be written. */
int ending_say(const Ending *e, int status, const char *reason); /* REASON may be NULL */
int ending_say_error(const Ending *e, const char *format, ...) _printf_(2, 3);

/* R stopped the scan during WHAT: an error, or the manifest is refused because it names too much. */
int ending_say_stopped(const Ending *e, int r, const char *what);

/* R was returned by reading the manifest or making its plan, with REASON or NULL. */
int ending_say_refused(const Ending *e, int r, const char *reason);
