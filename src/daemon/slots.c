/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/slots.h"

#include "base/log.h"
#include "daemon/timer.h"
#include "daemon/world/packages.h"

/* How often a package manager's lock is checked while work waits for it. */
#define PACKAGES_USEC USEC_PER_SEC

void slots_init(Slots *s, Driver *driver, const Settings *settings) {
        *s = (Slots){.driver = driver, .settings = settings};
}

void slots_deinit(Slots *s) {
        sd_event_source_disable_unref(s->hold_timer);
        sd_event_source_disable_unref(s->boot_timer);
        sd_event_source_disable_unref(s->scan_timer);
        strv_free(s->holding);
        *s = (Slots){};
}

/* Holds */

static void hold_all(const Slots *s, VolumeHold hold, bool on) {
        const Roster *volumes = s->driver->volumes;
        for (Record *record = roster_next(volumes, NULL); record; record = roster_next(volumes, record))
                driver_set_hold(s->driver, record, hold, on);
}

static bool is_shortly_after_boot(const Slots *s) {
        return !s->last_chance && now_usec() < s->settings->boot_delay;
}

#define NO_BUS "not connected to the system bus, so systemd cannot be told to build"

static void block_if_necessary(const Slots *s, Record *record) {
        record->unread = s->settings->unread;
        record->no_bus = s->driver->launch.apart && !s->connected ? NO_BUS : NULL;
        record_follow_block(record);
}

void slots_hold_new(const Slots *s, Record *record) {
        volume_hold(&record->volume, VOLUME_HOLD_BOOT, is_shortly_after_boot(s));
        block_if_necessary(s, record);
}

void slots_set_last_chance(Slots *s, bool on) {
        s->last_chance = on;
        hold_all(s, VOLUME_HOLD_BOOT, is_shortly_after_boot(s));
        s->driver->moved(s->driver->userdata);
}

static int on_boot_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        const Slots *s = userdata;
        hold_all(s, VOLUME_HOLD_BOOT, false);
        s->driver->moved(s->driver->userdata);
        return 0;
}

int slots_apply_settings(Slots *s) {
        const Roster *volumes = s->driver->volumes;
        bool early = is_shortly_after_boot(s);
        for (Record *record = roster_next(volumes, NULL); record; record = roster_next(volumes, record)) {
                block_if_necessary(s, record);
                news_tell(&s->driver->news, record);
        }
        hold_all(s, VOLUME_HOLD_BOOT, early);
        return timer_set(s->driver->event, &s->boot_timer, early ? s->settings->boot_delay : USEC_INFINITY,
                         on_boot_timer, s);
}

static bool scan_has_failed(const Record *record) {
        VolumeState state = record->volume.state;
        return (state == VOLUME_FAILED || state == VOLUME_GIVEN_UP) && record->problem &&
               !record->built_badly;
}

/* A scan may have failed for lack of a bus, too: systemd opens what is mounted over. */
void slots_set_connected(Slots *s, bool on) {
        const Roster *volumes = s->driver->volumes;
        s->connected = on;
        for (Record *record = roster_next(volumes, NULL); record; record = roster_next(volumes, record)) {
                bool again = record->no_bus && on && scan_has_failed(record);
                block_if_necessary(s, record);
                if (again)
                        driver_feed(s->driver, record, VOLUME_SCAN_WANTED);
                else
                        news_tell(&s->driver->news, record);
        }
        s->driver->moved(s->driver->userdata);
}

static int on_hold_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        const Slots *s = userdata;
        s->driver->moved(s->driver->userdata);
        return 0;
}

/* Logs once what holds builds back. HOLDING: what does now; taken over. */
static void tell_holding(Slots *s, char **holding) {
        for (char **h = holding; h && *h; h++)
                if (!strv_contains(s->holding, *h))
                        log_info("Builds are held back: %s", *h);
        if (!holding && s->holding)
                log_info("Builds are no longer held back");
        strv_free(s->holding);
        s->holding = holding;
}

static int note_holding(char ***holding, const ReportHold *hold) {
        _cleanup_free_ char *text = NULL;
        int r = strprintf(&text, "%s %s", hold->path, hold->exists ? "exists" : "is locked");
        return r < 0 || strv_contains(*holding, text) ? r : strv_push(holding, TAKE_PTR(text));
}

/* What was said lingers: it is not said again if it comes back. */
static int keep_said(const Slots *s, char ***holding) {
        int r = 0;
        for (char **said = s->holding; r >= 0 && said && *said; said++)
                if (!strv_contains(*holding, *said))
                        r = strv_extend(holding, *said);
        return r;
}

/* Whoever runs several package managers one after the other, or one that drops its lock and takes it again,
 * is not done in between: a lock counts until it has been free for as long as changes settle. Except for
 * those in a hurry. Returns until when; 0: it does not linger. */
static uint64_t lingers_until(const Slots *s, Record *record, uint64_t now) {
        if (!(record->volume.holds & VOLUME_HOLD_PACKAGES) || record->volume.waived != 0 || s->last_chance)
                return 0;
        if (record->unheld_since == 0)
                record->unheld_since = now;
        uint64_t end = record->unheld_since + s->settings->settle;
        return now < end ? end : 0;
}

static const ReportHold *find_hold(const Slots *s, const Record *record, const LockedFiles *locked) {
        if (!record->volume.trusted)
                return NULL;
        return s->last_chance ? packages_find_lock(record->report, locked)
                              : packages_find_hold(record->report, locked);
}

/* LOCKED is free of what does not count. Returns when to check again: for a lock file that merely exists, its
 * removal causes a scan. */
static uint64_t hold_for_packages(Slots *s, const LockedFiles *locked, uint64_t now) {
        const Roster *volumes = s->driver->volumes;
        char **holding = NULL;
        bool lingers = false;
        uint64_t next = USEC_INFINITY;
        int r = 0;
        for (Record *record = roster_next(volumes, NULL); record; record = roster_next(volumes, record)) {
                const ReportHold *hold = find_hold(s, record, locked);
                uint64_t end = hold || !record->volume.trusted ? 0 : lingers_until(s, record, now);
                if (hold || end == 0)
                        record->unheld_since = 0;
                driver_set_hold(s->driver, record, VOLUME_HOLD_PACKAGES, hold || end != 0);
                if (hold && r >= 0)
                        r = note_holding(&holding, hold);
                if (hold && !hold->exists)
                        next = MIN(next, now + PACKAGES_USEC);
                else if (end != 0)
                        next = MIN(next, end);
                lingers = lingers || end != 0;
        }
        if (lingers && r >= 0)
                r = keep_said(s, &holding);
        if (r < 0)
                (void) log_oom();
        tell_holding(s, holding);
        return next;
}

/* No work waits: nothing is held back, whatever package managers do. */
static void hold_nothing(Slots *s) {
        const Roster *volumes = s->driver->volumes;
        for (Record *record = roster_next(volumes, NULL); record; record = roster_next(volumes, record))
                record->unheld_since = 0;
        hold_all(s, VOLUME_HOLD_PACKAGES, false);
        s->holding = strv_free(s->holding);
}

/* Only while something is stale: an idle machine has no timer for it. A hold is not released because the
 * volume is scanned again meanwhile. */
static void look_for_package_managers(Slots *s) {
        _cleanup_(locked_files_done) LockedFiles locked = {};
        const Roster *volumes = s->driver->volumes;
        bool stale = roster_any_stale(volumes) || (s->holding && roster_any_busy(volumes));
        uint64_t now = now_usec(), next = stale ? now + PACKAGES_USEC : USEC_INFINITY;
        if (!stale)
                hold_nothing(s);
        else if (locked_files_read(&locked) >= 0) { /* if it cannot be read, everything stays as it is */
                if (s->forgive)
                        s->forgive(s->userdata, &locked);
                next = hold_for_packages(s, &locked, now);
        }
        (void) timer_set(s->driver->event, &s->hold_timer, next, on_hold_timer, s);
}

/* Slots */

/* Somebody who mounts something only for a moment must not find it busy when unmounting it: a scan has it
 * open, and if it only had a detached copy of the mount (open_tree(2)), umount(8) would return before
 * everything is written, because the superblock would live on. */
#define LEFT_ALONE_USEC USEC_PER_SEC

void slots_leave_alone(const Slots *s, Record *record) {
        if (s->settled)
                record->left_alone_until = now_usec() + MIN(LEFT_ALONE_USEC, s->settings->settle);
}

/* When the system goes down, a build that hangs on its disk must not keep the other volumes waiting. */
static bool another_may_build(const Slots *s) {
        return s->last_chance || roster_builds(s->driver->volumes) < s->settings->max_builds;
}

static void give_out_slots(Slots *s) {
        uint64_t now = now_usec();
        const Roster *volumes = s->driver->volumes;
        Record *next;
        while (roster_scans(volumes) < s->settings->max_scans && (next = roster_next_to_scan(volumes, now)))
                driver_feed(s->driver, next, VOLUME_SCAN_SLOT);
        while (another_may_build(s) && (next = roster_next_to_build(volumes)))
                driver_feed(s->driver, next, VOLUME_BUILD_SLOT);
        (void) timer_set(s->driver->event, &s->scan_timer, roster_next_scan_time(volumes, now), on_hold_timer,
                         s);
}

void slots_settle(Slots *s) {
        s->settled = true;
        assert(!s->driver->stopping);
        look_for_package_managers(s);
        give_out_slots(s);
}
