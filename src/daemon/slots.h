/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the volumes share: the slots for scans and builds, and what holds builds back from outside (the first
 * minutes after boot, package managers at work, a configuration that cannot be read). Settled once after each
 * batch of events. */

#include "daemon/driver.h"
#include "daemon/world/settings.h"

typedef struct Slots {
        Driver *driver; /* borrowed, as is the rest */
        const Settings *settings;
        sd_event_source *hold_timer, *boot_timer, *scan_timer;
        bool settled;   /* at least once: what was mounted before the daemon began is no news */
        char **holding; /* strv: what package managers hold, as the log was last told */
} Slots;

void slots_init(Slots *s, Driver *driver, const Settings *settings);
void slots_deinit(Slots *s);

/* The settings are others now. */
int slots_apply_settings(Slots *s);
/* RECORD appears: holds it back where that is due. */
void slots_hold_new(const Slots *s, Record *record);

/* RECORD was mounted just now: its first scan waits a moment. */
void slots_leave_alone(const Slots *s, Record *record);

/* Looks for package managers and gives out what is free. */
void slots_settle(Slots *s);
