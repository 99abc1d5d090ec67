/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the volumes share: the slots for scans and builds, and what holds builds back from outside (a recent
 * boot, package managers at work, a configuration that cannot be read, no bus by which systemd would be told
 * to build). Processed once after each batch of events. */

#include "daemon/driver.h"
#include "daemon/world/packages.h"
#include "daemon/world/settings.h"

typedef struct Slots {
        Driver *driver; /* borrowed, as is the rest */
        const Settings *settings;
        sd_event_source *hold_timer, *boot_timer, *scan_timer;
        /* Takes out of LOCKED what does not count now; may be NULL. */
        void (*forgive)(void *userdata, LockedFiles *locked);
        void *userdata;
        bool settled;     /* at least once: what was mounted before the daemon started is not new */
        char **holding;   /* strv: what package managers hold, as last logged */
        bool last_chance; /* the system goes down: only what runs holds anything back */
        bool connected;   /* to the bus, and so to systemd */
} Slots;

void slots_init(Slots *s, Driver *driver, const Settings *settings);
void slots_deinit(Slots *s);

/* The settings have changed. */
int slots_apply_settings(Slots *s);
/* The system goes down (ON): a recent boot holds nothing back, nor does a lock file that merely exists:
 * nobody may be left who would remove it. */
void slots_set_last_chance(Slots *s, bool on);
/* The bus is there (ON), or gone: where only systemd can build, builds wait for it. */
void slots_set_connected(Slots *s, bool on);
/* RECORD appears: holds it back if necessary. */
void slots_hold_new(const Slots *s, Record *record);

/* RECORD was just mounted: its first scan waits a moment. */
void slots_leave_alone(const Slots *s, Record *record);

/* Checks for package managers and gives out free slots. */
void slots_settle(Slots *s);
