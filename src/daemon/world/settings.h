/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* bootkeep.conf(5): what the administrator set, or the default. */

#include "daemon/core/volume.h"

typedef struct Settings {
        /* [Watch] */
        uint64_t settle, settle_max, boot_delay, scan_timeout;
        unsigned max_scans;
        char **hold_while_locked, **hold_while_exists; /* strv of paths */
        bool trust_ctime;
        /* [Build] */
        unsigned max_builds, max_failures, max_attempts;
        uint64_t retry;
        /* [Shutdown] */
        bool pin_busy_volumes;
        /* [Trust] */
        bool running_system;
        /* What of the configuration could not be read, for people: "/etc/bootkeep/bootkeep.conf: Permission
         * denied". NULL: all of it was read. What it may have forbidden is forbidden: RunningSystem= is off.
         */
        char *unread;
} Settings;

void settings_done(Settings *s);

/* FILE alone if it is not NULL, else the standard places. What is wrong is logged with file and line, counted
 * in *RET_PROBLEMS (may be NULL) and left at its default; but a mistake never makes anything laxer: where a
 * value guards something a bad one means the strict side, and see `unread`. -ENOMEM; -ENOENT if FILE is not
 * there. *RET is overwritten, not freed. */
int settings_load(const char *file, Settings *ret, unsigned *ret_problems);
/* The same of what lies below DIRS (strv, most important first) in place of the standard ones. */
int settings_load_below(char *const *dirs, Settings *ret, unsigned *ret_problems);

/* TO becomes what was read after it; if not all of that could be read, TO stands, but for `unread`. AFTER is
 * left empty. */
void settings_replace(Settings *to, Settings *after);

VolumeConfig settings_volume_config(const Settings *s);
