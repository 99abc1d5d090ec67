/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is shown about all volumes together: BusyVolumes and Ready on the bus, the status line of systemd;
 * and, at its own pace, what changes too often to be reported each time. */

#include "daemon/driver.h"

typedef struct Overview {
        const Driver *driver; /* borrowed */
        sd_event_source *timer;
        bool timer_runs;
        char **busy;  /* as the bus was last told */
        bool ready;   /* likewise */
        char *status; /* as systemd was last told */
} Overview;

void overview_init(Overview *o, const Driver *driver);
void overview_deinit(Overview *o);

/* A lock may be taken and released a thousand times a second: what is shown about it, and about busy volumes,
 * follows with a delay. RECORD: the volume whose lock changed, or NULL. */
void overview_tell_soon(Overview *o, Record *record);
