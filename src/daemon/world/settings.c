/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/settings.h"

#include "base/conffile.h"
#include "base/error.h"
#include "base/log.h"
#include "bootkeep.h"

/* A released lock scans at once, but not more often than this. */
#define UNLOCK_GAP_USEC (100 * USEC_PER_MSEC)
/* Nor what is not watched than this, however short SettleMaxSec= is. */
#define UNWATCHED_MIN_USEC USEC_PER_SEC

/* A build says once a second that it lives, but not while it waits for a disk, and to write takes longer than
 * to read. */
#define BUILD_PATIENCE 4
#define BUILD_TIMEOUT_MIN_USEC (10 * USEC_PER_SEC)

static const char *const default_holds[] = {"/var/lib/dpkg/lock-frontend", "/var/lib/rpm/.rpm.lock",
                                            "/var/lib/pacman/db.lck"};

static int set_defaults(Settings *s) {
        *s = (Settings){
                .settle = 5 * USEC_PER_SEC,
                .settle_max = 60 * USEC_PER_SEC,
                .boot_delay = 30 * USEC_PER_SEC,
                .scan_timeout = 30 * USEC_PER_SEC,
                .max_scans = 4,
                .trust_ctime = true,
                .max_builds = 1,
                .max_failures = 5,
                .max_attempts = 25,
                .retry = 30 * USEC_PER_SEC,
                .inhibit = true,
                .pin_busy_volumes = true,
                .flush_timeout = 90 * USEC_PER_SEC,
                .running_system = true,
        };
        for (size_t i = 0; i < ELEMENTSOF(default_holds); i++)
                if (strv_extend(&s->hold_while_locked, default_holds[i]) < 0)
                        return error_origin(-ENOMEM);
        return 0;
}

void settings_done(Settings *s) {
        strv_free(s->hold_while_locked);
        *s = (Settings){};
}

static int read_files(const char *file, Settings *s, unsigned *problems) {
        const ConfItem items[] = {
                {"Watch", "SettleSec", conf_parse_sec, &s->settle},
                {"Watch", "SettleMaxSec", conf_parse_sec, &s->settle_max},
                {"Watch", "BootDelaySec", conf_parse_sec, &s->boot_delay},
                {"Watch", "ScanTimeoutSec", conf_parse_sec, &s->scan_timeout},
                {"Watch", "MaxScans", conf_parse_unsigned, &s->max_scans},
                {"Watch", "HoldWhileLocked", conf_parse_paths, &s->hold_while_locked},
                {"Watch", "TrustCTime", conf_parse_bool, &s->trust_ctime},
                {"Build", "MaxBuilds", conf_parse_unsigned, &s->max_builds},
                {"Build", "MaxFailures", conf_parse_unsigned, &s->max_failures},
                {"Build", "MaxAttempts", conf_parse_unsigned, &s->max_attempts},
                {"Build", "RetrySec", conf_parse_sec, &s->retry},
                {"Shutdown", "Inhibit", conf_parse_bool, &s->inhibit},
                {"Shutdown", "Refuse", conf_parse_bool, &s->refuse},
                {"Shutdown", "FlushTimeoutSec", conf_parse_sec, &s->flush_timeout},
                {"Shutdown", "PinBusyVolumes", conf_parse_bool, &s->pin_busy_volumes},
                {"Trust", "RunningSystem", conf_parse_bool, &s->running_system},
        };
        static const char *const dirs[] = {"/etc/bootkeep", "/run/bootkeep", "/usr/local/lib/bootkeep",
                                           "/usr/lib/bootkeep", NULL};
        _cleanup_strv_free_ char **files = NULL;

        int r = file ? strv_extend(&files, file)
                     : conffile_list((char *const *) (const void *) dirs, "bootkeep.conf", &files);
        for (char **f = files; r >= 0 && f && *f; f++) {
                r = conffile_read(*f, items, ELEMENTSOF(items), problems);
                if (r < 0 && r != -ENOMEM && r != -EBADMSG && !file) {
                        log_send_errno(LOG_WARNING, CONF_FIELDS(*f), r, "Failed to read %s, ignoring", *f);
                        (*problems)++;
                        r = -EBADMSG;
                }
                if (r == -EBADMSG)
                        r = 0; /* logged; the defaults stand */
        }
        return r;
}

int settings_load(const char *file, Settings *ret, unsigned *ret_problems) {
        _cleanup_(settings_done) Settings s = {};
        unsigned problems = 0;
        int r = set_defaults(&s);
        if (r >= 0)
                r = read_files(file, &s, &problems);
        if (r < 0)
                return r;
        if (s.settle_max < s.settle) {
                log_send(LOG_WARNING, CONF_FIELDS(file),
                         "SettleMaxSec= is shorter than SettleSec=, using SettleSec= for both");
                s.settle_max = s.settle;
                problems++;
        }
        *ret = s;
        s = (Settings){};
        if (ret_problems)
                *ret_problems = problems;
        return 0;
}

VolumeConfig settings_volume_config(const Settings *s) {
        return (VolumeConfig){
                .settle = s->settle,
                .settle_max = s->settle_max,
                .unwatched = MAX(s->settle_max, UNWATCHED_MIN_USEC),
                .scan_timeout = s->scan_timeout,
                .build_timeout = MAX(MIN(s->scan_timeout, USEC_INFINITY / BUILD_PATIENCE) * BUILD_PATIENCE,
                                     BUILD_TIMEOUT_MIN_USEC),
                .retry = s->retry,
                .unlock_gap = UNLOCK_GAP_USEC,
                .max_failures = s->max_failures,
                .max_attempts = s->max_attempts,
        };
}
