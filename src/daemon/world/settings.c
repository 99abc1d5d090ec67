/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/settings.h"

#include "base/conffile.h"
#include "base/error.h"
#include "base/log.h"
#include "bootkeep.h"

/* The release of a lock leads to a scan at once, but not more often than this. */
#define UNLOCK_GAP_USEC (100 * USEC_PER_MSEC)
/* Nor is an unwatched volume scanned more often than this, however short SettleMaxSec= is. */
#define UNWATCHED_MIN_USEC USEC_PER_SEC

/* A build gives a sign of life once a second, but not while it waits for a disk, and writing takes longer
 * than reading. */
#define BUILD_PATIENCE 4
#define BUILD_TIMEOUT_MIN_USEC (10 * USEC_PER_SEC)

/* More lock files than all package managers have together: each scan looks for all of them. */
#define HOLDS_MAX 32U

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
                .inhibit = INHIBITION_DELAYS,
                .pin_busy_volumes = true,
                .flush_timeout = 90 * USEC_PER_SEC,
                .running_system = true,
        };
        int r = strv_extend(&s->hold_while_locked, "/var/lib/dpkg/lock-frontend");
        if (r >= 0)
                r = strv_extend(&s->hold_while_locked, "/var/lib/rpm/.rpm.lock");
        if (r >= 0)
                r = strv_extend(&s->hold_while_exists, "/var/lib/pacman/db.lck");
        return r;
}

void settings_done(Settings *s) {
        strv_free(s->hold_while_locked);
        strv_free(s->hold_while_exists);
        free(s->unread);
        *s = (Settings){};
}

static int parse_lock_files(const char *value, void *data, const char **reterr) {
        _cleanup_strv_free_ char **paths = NULL;
        int r = conf_parse_paths(value, &paths, reterr);
        if (r < 0)
                return r;
        if (strv_length(paths) > HOLDS_MAX) {
                *reterr = "more than 32 files";
                return error_origin(-EINVAL);
        }
        strv_free(*(char ***) data);
        *(char ***) data = TAKE_PTR(paths);
        return 0;
}

static int parse_inhibit(const char *value, void *data, const char **reterr) {
        int r = inhibition_setting_from_string(value, data);
        if (r < 0)
                *reterr = "expected delay, block or no";
        return r;
}

/* For settings that guard something: a value that cannot be parsed must not disable the guard. */
static int parse_guard(const char *value, bool *guard, bool strict, const char **reterr) {
        int r = conf_parse_bool(value, guard, reterr);
        if (r < 0) {
                *guard = strict;
                *reterr = strict ? "expected yes or no (so: yes)" : "expected yes or no (so: no)";
        }
        return r;
}

static int parse_permission(const char *value, void *data, const char **reterr) {
        return parse_guard(value, data, false, reterr);
}

static int parse_precaution(const char *value, void *data, const char **reterr) {
        return parse_guard(value, data, true, reterr);
}

/* Also for an unknown key in [Trust], which may be a misspelt RunningSystem=no. */
static int forbid(const char *value, void *data, const char **reterr) {
        *(bool *) data = false;
        return 0;
}

/* FILE cannot be read completely, because of ERROR, or of its LINE (0: none in particular). The first such
 * file counts: it has to be corrected first. */
static int note_unread(Settings *s, const char *file, size_t line, int error) {
        if (s->unread)
                return 0;
        if (error != -EBADMSG)
                return strprintf(&s->unread, "%s cannot be read: %s", file, strerror(-error));
        if (line == 0)
                return strprintf(&s->unread, "%s cannot be read", file);
        return strprintf(&s->unread, "%s:%zu cannot be read", file, line);
}

/* Negative errno: FILE could not be opened or read at all; -ENOMEM. */
static int read_settings_file(const char *file, Settings *s, unsigned *problems) {
        const ConfItem items[] = {
                {"Watch", "SettleSec", conf_parse_sec, &s->settle},
                {"Watch", "SettleMaxSec", conf_parse_sec, &s->settle_max},
                {"Watch", "BootDelaySec", conf_parse_sec, &s->boot_delay},
                {"Watch", "ScanTimeoutSec", conf_parse_sec, &s->scan_timeout},
                {"Watch", "MaxScans", conf_parse_unsigned, &s->max_scans},
                {"Watch", "HoldWhileLocked", parse_lock_files, &s->hold_while_locked},
                {"Watch", "HoldWhileExists", parse_lock_files, &s->hold_while_exists},
                {"Watch", "TrustCTime", parse_precaution, &s->trust_ctime},
                {"Build", "MaxBuilds", conf_parse_unsigned, &s->max_builds},
                {"Build", "MaxFailures", conf_parse_unsigned, &s->max_failures},
                {"Build", "MaxAttempts", conf_parse_unsigned, &s->max_attempts},
                {"Build", "RetrySec", conf_parse_sec, &s->retry},
                {"Shutdown", "Inhibit", parse_inhibit, &s->inhibit},
                {"Shutdown", "Refuse", parse_precaution, &s->refuse},
                {"Shutdown", "PinBusyVolumes", parse_precaution, &s->pin_busy_volumes},
                {"Shutdown", "FlushTimeoutSec", conf_parse_sec, &s->flush_timeout},
                {"Hooks", "Wait", conf_parse_bool, &s->wait_in_hooks},
                {"Trust", "RunningSystem", parse_permission, &s->running_system},
                {"Trust", "*", forbid, &s->running_system},
        };
        size_t line = 0;
        int r = conffile_read(file, items, ELEMENTSOF(items), problems, &line);
        return r == -EBADMSG || r == CONFFILE_PARTLY ? note_unread(s, file, line, -EBADMSG) : r;
}

static int read_settings_below(char *const *dirs, Settings *s, unsigned *problems) {
        _cleanup_strv_free_ char **files = NULL;
        int r = conffile_list(dirs, "bootkeep.conf", &files);
        if (r == -EBADMSG) {
                (*problems)++;
                r = note_unread(s, "bootkeep.conf.d", 0, r);
        }
        for (char **f = files; r >= 0 && f && *f; f++) {
                r = read_settings_file(*f, s, problems);
                if (r >= 0 || r == -ENOMEM)
                        continue;
                conffile_warn(*f, 0, "%s", strerror(-r));
                (*problems)++;
                r = note_unread(s, *f, 0, r);
        }
        return r;
}

/* The part that could not be read may have forbidden what the defaults allow. */
static void close_doors(Settings *s) {
        if (!s->unread)
                return;
        s->running_system = false;
        log_error("%s: until this is corrected nothing is built, and RunningSystem= trusts nothing that was "
                  "not trusted before",
                  s->unread);
}

/* From FILE only or, if that is NULL, from the files below DIRS. */
static int load_settings(const char *file, char *const *dirs, Settings *ret, unsigned *ret_problems) {
        assert(ret);
        _cleanup_(settings_done) Settings s = {};
        unsigned problems = 0;
        int r = set_defaults(&s);
        if (r >= 0)
                r = file ? read_settings_file(file, &s, &problems) : read_settings_below(dirs, &s, &problems);
        if (r < 0)
                return r;
        close_doors(&s);
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

int settings_load(const char *file, Settings *ret, unsigned *ret_problems) {
        static const char *const dirs[] = {"/etc/bootkeep", "/run/bootkeep", "/usr/local/lib/bootkeep",
                                           "/usr/lib/bootkeep", NULL};
        return load_settings(file, (char *const *) (const void *) dirs, ret, ret_problems);
}

int settings_load_below(char *const *dirs, Settings *ret, unsigned *ret_problems) {
        assert(dirs);
        return load_settings(NULL, dirs, ret, ret_problems);
}

void settings_replace(Settings *to, Settings *after) {
        assert(to && after && to != after);
        if (after->unread) {
                free(to->unread);
                to->unread = TAKE_PTR(after->unread);
                settings_done(after);
        } else {
                settings_done(to);
                *to = *after;
                *after = (Settings){};
        }
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
