/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* bootkeep.conf(5): what the administrator set, or the default. */

#include "daemon/core/inhibition.h"

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
        InhibitionSetting inhibit;
        bool refuse;
        bool pin_busy_volumes;
        uint64_t flush_timeout; /* usec */
        /* [Hooks] */
        bool wait_in_hooks;
        /* [Trust] */
        bool running_system;
        /* What could not be read of the configuration, for people: "/etc/bootkeep/bootkeep.conf: Permission
         * denied". NULL: everything was read. What it may have forbidden is forbidden: RunningSystem= is
         * off. */
        char *unread;
} Settings;

void settings_done(Settings *s);

/* Only FILE if it is not NULL, else the standard places. Mistakes are logged with file and line, counted in
 * *RET_PROBLEMS (may be NULL) and replaced by the default; but a mistake never makes anything laxer: if a
 * value guards something, a bad one means the strict side; see also `unread`. -ENOMEM; -ENOENT if FILE does
 * not exist. *RET is overwritten, not freed. */
int settings_load(const char *file, Settings *ret, unsigned *ret_problems);
/* The same from DIRS (strv, most important first) instead of the standard places. */
int settings_load_below(char *const *dirs, Settings *ret, unsigned *ret_problems);

/* TO is replaced by AFTER, which was read later; if that could not be read completely, TO is kept, except for
 * `unread`. AFTER is left empty. */
void settings_replace(Settings *to, Settings *after);

VolumeConfig settings_volume_config(const Settings *s);
