/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Was the machine booted from the past? Told by the scans of the volume that is mounted at /, and by no
 * other; passed on to the bus, the log, and, where something newer was put there since, to reboot-required.
 */

#include "daemon/driver.h"

typedef struct Past {
        const Driver *driver; /* borrowed */
        const char *run;      /* where reboot-required is kept; NULL: nowhere */
        bool known;           /* there was a scan */
        bool marked;          /* reboot-required was brought in line with: it is wanted */
        char *text;           /* BootedStale; NULL or "": it was not */
        char *unknown;        /* why that is not known, as last logged; NULL or "": it is */
} Past;

/* RUN is borrowed. */
void past_init(Past *past, const Driver *driver, const char *run);
void past_deinit(Past *past);

/* Follows the last scan. */
void past_settle(Past *past);
const char *past_text(const Past *past);
