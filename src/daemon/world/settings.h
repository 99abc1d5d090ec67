/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* bootkeep.conf(5): what the administrator set, or the default. */

#include "daemon/core/volume.h"

typedef struct Settings {
        /* [Watch] */
        uint64_t settle, settle_max, boot_delay, scan_timeout;
        unsigned max_scans;
        char **hold_while_locked; /* strv */
        bool trust_ctime;
        /* [Build] */
        unsigned max_builds, max_failures, max_attempts;
        uint64_t retry;
        /* [Shutdown] */
        bool inhibit, refuse, pin_busy_volumes;
        uint64_t flush_timeout;
        /* [Trust] */
        bool running_system;
} Settings;

void settings_done(Settings *s);

/* FILE alone if it is not NULL, else the standard places. What is wrong is logged with file and line, counted
 * in *RET_PROBLEMS (may be NULL) and left at its default. -ENOMEM; -ENOENT if FILE is not there. *RET is
 * overwritten, not freed. */
int settings_load(const char *file, Settings *ret, unsigned *ret_problems);

VolumeConfig settings_volume_config(const Settings *s);
