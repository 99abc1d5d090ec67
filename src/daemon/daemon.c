/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/daemon.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "bootkeep.h"
#include "daemon/launch.h"
#include "daemon/news.h"
#include "daemon/orphans.h"
#include "daemon/pending.h"
#include "daemon/roster.h"
#include "daemon/verdict.h"
#include "daemon/world/packages.h"
#include "daemon/world/pin.h"

/* A stopped daemon is gone within a second, whatever its children do. */
#define STOP_USEC (700 * USEC_PER_MSEC)
/* How often a package manager's lock is looked at, while work waits for it. */
#define PACKAGES_USEC USEC_PER_SEC

/* How long what is shown of a lock may be behind. */
#define TELL_USEC (20 * USEC_PER_MSEC)

struct Daemon {
        sd_event *event;
        const DaemonOptions *options;
        Settings settings;
        VolumeConfig config;
        TrustStore *trust;
        Bus *bus;
        const DaemonHooks *hooks; /* may be NULL */
        void *hooks_userdata;
        look_afresh_t look_afresh; /* may be NULL */
        void *look_userdata;

        Roster volumes;
        Orphans *orphans;

        sd_event_source *settle_accounts; /* once behind each batch of events */
        sd_event_source *hold_timer, *boot_timer, *stop_timer, *tell_timer;
        char **busy;    /* as the bus was last told */
        char *status;   /* as systemd was last told */
        char **holding; /* strv: what package managers hold, as the log was last told */
        bool telling;   /* `tell_timer` runs */
        bool in_doubt;  /* a scan failed: maybe its mount is elsewhere */
        bool stopping;
};

static void feed(Daemon *d, Record *r, VolumeEvent event);

/* A one-shot timer of the loop, made on first use. WHEN is CLOCK_BOOTTIME; USEC_INFINITY turns it off. */
static int set_timer(Daemon *d, sd_event_source **source, uint64_t when, sd_event_time_handler_t handler,
                     void *userdata) {
        if (when == USEC_INFINITY)
                return *source ? sd_event_source_set_enabled(*source, SD_EVENT_OFF) : 0;
        if (!*source)
                return sd_event_add_time(d->event, source, CLOCK_BOOTTIME, when, 1000, handler, userdata);
        int r = sd_event_source_set_time(*source, when);
        return r < 0 ? r : sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
}

static uint64_t realtime_usec(void) {
        struct timespec ts;
        clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

/* Children */

static LaunchOptions launch_options(const Daemon *d) {
        return (LaunchOptions){
                .libexec = d->options->libexec,
                .builders = d->options->builders,
                .hold_locked = d->settings.hold_while_locked,
                .hold_exists = d->settings.hold_while_exists,
                .trust_ctime = d->settings.trust_ctime,
        };
}

static int on_scan_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Record *r = userdata;
        (void) running_read(&r->scan);
        if (r->scan.garbled) /* it is not what it should be, and has failed anyway */
                (void) job_kill(r->scan.job, SIGKILL);
        return 0;
}

/* Once a second is enough: it may talk without end. */
static void note_alive(Daemon *d, Record *r) {
        if (r->volume.state == VOLUME_HUNG ||
            now_usec() + d->config.build_timeout >= r->volume.timer + USEC_PER_SEC)
                feed(d, r, VOLUME_BUILD_ALIVE);
}

static int on_build_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        static const char *const progress[] = {"Progress", NULL};
        Record *r = userdata;
        uint64_t done = r->build.report->progress_done, of = r->build.report->progress_of;
        (void) running_read(&r->build);
        if (r->build.report->progress_done != done || r->build.report->progress_of != of)
                news_tell_properties(((Daemon *) r->owner)->bus, r, progress);
        note_alive(r->owner, r);
        return 0;
}

static void scan_ended(Daemon *d, Record *r, int status) {
        static const char *const properties[] = {"Caches", "Helpers", NULL};
        verdict_note_watching(r, roster_without_watch(&d->volumes));
        VolumeEvent verdict = verdict_of_scan(r, status);
        if (verdict == VOLUME_SCAN_ERROR)
                d->in_doubt = true;
        r->scans_ended = r->scans_begun;
        news_tell_properties(d->bus, r, properties); /* before the state: whoever sees "fresh" sees why */
        feed(d, r, verdict);
        if (volume_scan_pending(&r->volume))
                return; /* asked for again: the answer is still to come */
        pending_answer_scans(r, verdict_to_string(r, verdict));
        if (r->volume.state != VOLUME_STALE)
                pending_answer_rebuilds(r, UINT64_MAX, verdict == VOLUME_SCAN_FRESH);
}

/* How those end that we stop ourselves is no news of the volume. */
static int on_scan_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Record *r = userdata;
        Daemon *d = r->owner;
        _cleanup_free_ char *problem = NULL;
        int status = running_conclude(&r->scan, "bootkeep-scan", &problem);
        if (problem && status != BOOTKEEP_SCAN_STALE) {
                free(r->problem);
                r->problem = TAKE_PTR(problem);
                r->built_badly = false;
        }
        size_t before = r->volume.trusted ? 0 : report_size(r->report);
        verdict_take_report(r, roster_untrusted_size(&d->volumes) - before);
        running_done(&r->scan);
        if (d->stopping)
                daemon_settle_accounts(d);
        else
                scan_ended(d, r, status);
        return 0;
}

static int on_watch(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Record *r = userdata;
        (void) watch_has_grown(r->watch); /* what is there now is this change; more is another */
        feed(r->owner, r, VOLUME_CHANGED);
        return 0;
}

/* Tried again before each scan: the limit may have been raised. Where it fails verdict_note_watching() says
 * so. */
static void start_watch(Daemon *d, Record *r) {
        int e = r->watch ? 0 : watch_new(&r->watch);
        if (e >= 0 && !r->watch_source)
                e = sd_event_add_io(d->event, &r->watch_source, watch_get_fd(r->watch), EPOLLIN, on_watch, r);
        LogFields fields = news_fields(r, NULL);
        if (e < 0 && e != -EMFILE)
                (void) log_send_errno(LOG_ERR, &fields, e, "Failed to watch");
        if (e < 0)
                r->watch = watch_free(r->watch);
}

static int start_scan(Daemon *d, Record *r) {
        r->scans_begun++;
        const LaunchOptions o = launch_options(d);
        const MountEntry *m = record_mount(r);
        Job *job = NULL;

        start_watch(d, r);
        /* What was queued is covered by the look that follows. */
        int e = r->watch ? watch_drain(r->watch) : 0;
        LogFields fields = news_fields(r, NULL);
        if (e < 0)
                (void) log_send_errno(LOG_WARNING, &fields, e, "Failed to drain the watch");
        e = launch_scan(&o, m->target, m->id, r->watch ? watch_get_fd(r->watch) : -EBADF, &job);
        if (e >= 0)
                e = running_listen(&r->scan, d->event, job, on_scan_output, on_scan_exit, r);
        return e;
}

/* Tells everybody of the build that ended, or could not even be started. */
static void tell_build_ended(Daemon *d, Record *r, int status) {
        static const char *const properties[] = {"LastBuildEnd", "LastBuildStatus", "Progress", NULL};
        LogFields fields = news_fields(r, BOOTKEEP_MESSAGE_BUILD_SUCCEEDED);
        bool well = status == BOOTKEEP_BUILD_SUCCESS;
        r->last_build_end = realtime_usec();
        r->last_build_status = status;
        r->built_badly = !well;
        if (well)
                log_send(LOG_NOTICE, &fields, "built in %.1f s",
                         (double) (r->last_build_end - r->last_build_start) / (double) USEC_PER_SEC);
        news_tell_properties(d->bus, r, properties);
        if (d->bus)
                bus_build_finished(d->bus, r->name, status, well ? "success" : strempty(r->problem));
}

static void build_ended(Daemon *d, Record *r, int status) {
        bool well = status == BOOTKEEP_BUILD_SUCCESS;
        tell_build_ended(d, r, status);
        feed(d, r,
             well                                ? VOLUME_BUILD_SUCCESS
             : status == BOOTKEEP_BUILD_TEMPFAIL ? VOLUME_BUILD_NOT_NOW
                                                 : VOLUME_BUILD_FAILURE);
        pending_answer_rebuilds(r, r->builds, well);
}

static int on_build_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Record *r = userdata;
        Daemon *d = r->owner;
        _cleanup_free_ char *problem = NULL;
        int status = running_conclude(&r->build, "bootkeep-build", &problem);
        free(r->problem);
        r->problem = TAKE_PTR(problem);
        running_done(&r->build);
        if (d->stopping && status != BOOTKEEP_BUILD_SUCCESS) {
                pending_answer_rebuilds(r, r->builds, false);
                daemon_settle_accounts(d);
        } else
                build_ended(d, r, status);
        return 0;
}

static int start_build(Daemon *d, Record *r, bool force) {
        static const char *const properties[] = {"LastBuildStart", NULL};
        const LaunchOptions o = launch_options(d);
        const MountEntry *m = record_mount(r);
        Job *job = NULL;

        r->builds++;
        r->last_build_start = realtime_usec();
        (void) free_and_strdup(&r->built_from, r->report ? r->report->sources : NULL);
        news_tell_properties(d->bus, r, properties);
        int e = launch_build(&o, m->target, m->id, force, &job);
        if (e >= 0)
                e = running_listen(&r->build, d->event, job, on_build_output, on_build_exit, r);
        r->build_pid = e >= 0 ? job_get_pid(r->build.job) : 0;
        return e;
}

/* Events in, actions out */

static int on_volume_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Record *r = userdata;
        Daemon *d = r->owner;
        r->timer_set = USEC_INFINITY; /* it has gone off */

        if (r->volume.state == VOLUME_SETTLING && r->watch && watch_has_grown(r->watch) != 0)
                feed(d, r, VOLUME_CHANGED);
        if (volume_settled(&r->volume, &d->config, now_usec()))
                daemon_look_afresh(d, false); /* the change may have been its unmount */
        if (roster_has(&d->volumes, r))
                feed(d, r, VOLUME_TIMER);
        return 0;
}

/* Starts what the machine asked for. Where that fails the outcome is fed back as if the child had failed. */
static VolumeEvent act(Daemon *d, Record *r, unsigned actions) {
        int e = 0;
        if (actions == 0 || d->stopping)
                return _VOLUME_EVENT_MAX;
        bool scan = actions & VOLUME_ACT_SCAN;
        e = scan ? start_scan(d, r) : start_build(d, r, actions & VOLUME_ACT_FORCE);
        if (e >= 0)
                return _VOLUME_EVENT_MAX;
        const char *program = scan ? "bootkeep-scan" : "bootkeep-build";
        if (scan)
                r->scans_ended = r->scans_begun;
        r->built_badly = r->built_badly && !scan;
        free(r->problem);
        r->problem = NULL;
        (void) strprintf(&r->problem, "Failed to start %s/%s: %s", d->options->libexec, program,
                         strerror(-e));
        if (scan)
                return VOLUME_SCAN_ERROR;
        tell_build_ended(d, r, e);
        pending_answer_rebuilds(r, r->builds, false);
        return VOLUME_BUILD_FAILURE;
}

/* A busy volume is held, so that nobody pulls it from under the work that it is owed; an idle one never is.
 */
static void hold_mount(const Daemon *d, Record *r) {
        const MountEntry *m = record_mount(r);
        bool want =
                d->settings.pin_busy_volumes && volume_busy(&r->volume) && now_usec() >= r->unpinned_until;
        if (r->pin >= 0 && (!want || !m || r->pinned != m->id))
                pin_release(TAKE_FD(r->pin));
        if (want && r->pin < 0 && m && pin_mount(m->target, m->id, &r->pin) >= 0)
                r->pinned = m->id;
}

static void note_since(uint64_t *since, bool is_so) {
        if (!is_so)
                *since = 0;
        else if (*since == 0)
                *since = now_usec();
}

static void follow(Daemon *d, Record *r) {
        hold_mount(d, r);
        if (r->watch_source)
                (void) sd_event_source_set_enabled(r->watch_source,
                                                   volume_listens(&r->volume) ? SD_EVENT_ON : SD_EVENT_OFF);
        int e = r->timer && r->timer_set == r->volume.timer
                        ? 0
                        : set_timer(d, &r->timer, r->volume.timer, on_volume_timer, r);
        r->timer_set = r->volume.timer;
        LogFields fields = news_fields(r, NULL);
        if (e < 0)
                (void) log_send_errno(LOG_ERR, &fields, e, "Failed to set the timer");
        note_since(&r->scan_due_since, volume_wants_scan(&r->volume));
        note_since(&r->stale_since, r->volume.state == VOLUME_STALE);
        (void) sd_event_source_set_enabled(d->settle_accounts, SD_EVENT_ONESHOT);
}

static void feed(Daemon *d, Record *r, VolumeEvent event) {
        while (event != _VOLUME_EVENT_MAX)
                event = act(d, r, volume_event(&r->volume, &d->config, event, now_usec()));
        follow(d, r);
        news_tell(d->bus, r);
        pending_answer_resting(r);
}

/* Behind each batch of events: holds, slots, what the manager shows */

static int on_hold_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Daemon *d = userdata;
        return sd_event_source_set_enabled(d->settle_accounts, SD_EVENT_ONESHOT);
}

static void hold_one(const Daemon *d, Record *r, VolumeHold hold, bool on) {
        if (!!(r->volume.holds & (unsigned) hold) == on)
                return;
        volume_hold(&r->volume, hold, on);
        news_tell(d->bus, r);
}

static void hold_all(Daemon *d, VolumeHold hold, bool on) {
        for (size_t i = 0; i < d->volumes.n; i++)
                hold_one(d, d->volumes.items[i], hold, on);
}

/* Says what holds builds back, once. HOLDING: what does now. */
static void tell_holding(Daemon *d, char **holding) {
        for (char **h = holding; h && *h; h++)
                if (!strv_contains(d->holding, *h))
                        log_info("Builds are held back: %s", *h);
        if (!holding && d->holding)
                log_info("Builds are no longer held back");
        strv_free(d->holding);
        d->holding = holding;
}

static int note_holding(char ***holding, const ReportHold *hold) {
        _cleanup_free_ char *text = NULL;
        int r = strprintf(&text, "%s %s", hold->path, hold->exists ? "exists" : "is locked");
        return r < 0 || strv_contains(*holding, text) ? r : strv_push(holding, TAKE_PTR(text));
}

/* LOCKED NULL: no package manager counts. Returns true if one holds a lock, so that it is to be looked at
 * again; for a lock file that merely exists a scan comes when it goes. */
static bool hold_for_packages(Daemon *d, const LockedFiles *locked) {
        char **holding = NULL;
        bool any_locked = false;
        for (size_t i = 0; i < d->volumes.n; i++) {
                Record *r = d->volumes.items[i];
                const ReportHold *hold =
                        locked && r->volume.trusted ? packages_find_hold(r->report, locked) : NULL;
                hold_one(d, r, VOLUME_HOLD_PACKAGES, hold);
                if (hold && note_holding(&holding, hold) < 0)
                        (void) log_oom();
                any_locked = any_locked || (hold && !hold->exists);
        }
        tell_holding(d, holding);
        return any_locked;
}

/* Only looked at while something is stale: a quiet machine has no timer for it. */
static void look_at_packages(Daemon *d) {
        _cleanup_(locked_files_done) LockedFiles locked = {};
        bool stale = roster_any_stale(&d->volumes), again = stale;
        if (!stale)
                (void) hold_for_packages(d, NULL);
        else if (locked_files_read(&locked) >= 0) /* where it cannot be read all stays as it is */
                again = hold_for_packages(d, &locked);
        (void) set_timer(d, &d->hold_timer, again ? now_usec() + PACKAGES_USEC : USEC_INFINITY, on_hold_timer,
                         d);
}

static bool strv_equal(char **a, char **b) {
        size_t n = strv_length(a);
        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return true;
}

static void show_busy(Daemon *d) {
        _cleanup_free_ char *status = NULL;
        char **busy = NULL;
        if (roster_busy(&d->volumes, &busy) < 0)
                return;
        if (!strv_equal(busy, d->busy) && d->bus)
                bus_manager_changed(d->bus, "BusyVolumes");
        strv_free(d->busy);
        d->busy = busy;
        if (strprintf(&status, "STATUS=%zu volumes, %zu busy", d->volumes.n, strv_length(busy)) >= 0 &&
            free_and_strdup(&d->status, status) > 0)
                (void) sd_notify(false, status);
}

static bool anything_runs(const Daemon *d) {
        return roster_any_runs(&d->volumes) || orphans_any(d->orphans);
}

static int on_tell_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Daemon *d = userdata;
        d->telling = false;
        for (size_t i = 0; i < d->volumes.n; i++) {
                if (d->volumes.items[i]->untold)
                        news_tell(d->bus, d->volumes.items[i]);
                d->volumes.items[i]->untold = false;
        }
        show_busy(d);
        return 0;
}

/* A lock may come and go a thousand times a second: what is shown of it, and of who is busy, follows at its
 * own pace. R: whose lock, or NULL. */
static void tell_soon(Daemon *d, Record *r) {
        if (r)
                r->untold = true;
        if (d->telling)
                return;
        d->telling = set_timer(d, &d->tell_timer, now_usec() + TELL_USEC, on_tell_timer, d) >= 0;
        if (!d->telling)
                (void) on_tell_timer(NULL, 0, d);
}

static void give_out_slots(Daemon *d) {
        Record *r;
        while (roster_scans(&d->volumes) < d->settings.max_scans && (r = roster_next_to_scan(&d->volumes)))
                feed(d, r, VOLUME_SCAN_SLOT);
        while (roster_builds(&d->volumes) < d->settings.max_builds && (r = roster_next_to_build(&d->volumes)))
                feed(d, r, VOLUME_BUILD_SLOT);
}

static int on_settle_accounts(sd_event_source *s, void *userdata) {
        Daemon *d = userdata;
        if (!d->stopping) {
                look_at_packages(d);
                give_out_slots(d);
                (void) sd_event_source_set_enabled(d->settle_accounts, SD_EVENT_OFF);
        } else if (!anything_runs(d))
                return sd_event_exit(d->event, 0);
        if (d->hooks)
                d->hooks->settled(d->hooks_userdata);
        tell_soon(d, NULL);
        if (d->in_doubt)
                daemon_look_afresh(d, true);
        d->in_doubt = false;
        return 0;
}

/* Volumes */

Record *daemon_find(Daemon *d, const char *name) {
        return roster_find(&d->volumes, name);
}

Record *daemon_look_up(Daemon *d, const char *argument) {
        return roster_look_up(&d->volumes, argument);
}

Record *daemon_next(Daemon *d, const Record *r) {
        return roster_next(&d->volumes, r);
}

int daemon_busy(Daemon *d, char ***ret) {
        return roster_busy(&d->volumes, ret);
}

static bool is_running_system(const Record *r) {
        for (size_t i = 0; i < r->n_mounts; i++)
                if (streq(r->mounts[i].target, "/"))
                        return true;
        return false;
}

static bool is_trusted(const Daemon *d, const Record *r) {
        return (d->settings.running_system && is_running_system(r)) ||
               trust_store_has(d->trust, r->device.uuid, r->device.serial);
}

static void look_at_trust(Daemon *d, Record *r) {
        bool trusted = is_trusted(d, r);
        if (trusted != r->volume.trusted)
                feed(d, r, trusted ? VOLUME_TRUST : VOLUME_DISTRUST);
}

static bool shortly_after_boot(const Daemon *d) {
        return now_usec() < d->settings.boot_delay;
}

static void hold_for_settings(const Daemon *d, Record *r) {
        r->unread = d->settings.unread;
        volume_hold(&r->volume, VOLUME_HOLD_SETTINGS, r->unread);
}

static int add_record(Daemon *d, const char *name, const MountEntry *mount, DeviceInfo *device) {
        _cleanup_(record_freep) Record *r = NULL;
        int e = record_new(d, name, false, &r);
        if (e >= 0)
                e = record_set_mount(r, mount);
        if (e < 0)
                return e;
        e = roster_add(&d->volumes, r);
        if (e < 0)
                return e;
        Record *added = TAKE_PTR(r);
        added->device = *device;
        *device = (DeviceInfo){};
        if (is_trusted(d, added))
                (void) volume_event(&added->volume, &d->config, VOLUME_TRUST, now_usec());
        volume_hold(&added->volume, VOLUME_HOLD_BOOT, shortly_after_boot(d));
        hold_for_settings(d, added);
        added->look_target = 1; /* until its first scan nobody knows what it owes */
        LogFields fields = news_fields(added, BOOTKEEP_MESSAGE_VOLUME_APPEARED);
        log_send(LOG_INFO, &fields, "found on %s (%s)", mount->target, mount->fstype);
        if (d->hooks)
                d->hooks->added(d->hooks_userdata, added);
        _cleanup_strv_free_ char **all = NULL;
        (void) record_changes(added, &all); /* shown as a whole, not as changes */
        if (d->bus)
                bus_volume_added(d->bus, added->name);
        feed(d, added, VOLUME_APPEARED);
        return 0;
}

int daemon_mounted(Daemon *d, const char *name, const MountEntry *mount, DeviceInfo *device) {
        Record *r = daemon_find(d, name);
        if (!r)
                return add_record(d, name, mount, device);
        int e = record_set_mount(r, mount);
        if (e < 0)
                return e;
        daemon_device_changed(d, r, device);
        return 0;
}

static void remove_record(Daemon *d, size_t i) {
        Record *r = d->volumes.items[i];
        LogFields fields = news_fields(r, BOOTKEEP_MESSAGE_VOLUME_GONE);

        log_send(LOG_INFO, &fields, "gone");
        if (d->bus) /* while it can still be found: sd-bus asks what interfaces it has */
                bus_volume_removed(d->bus, r->name);
        (void) roster_take(&d->volumes, i);
        orphans_take(d->orphans, &r->scan, SIGKILL);
        orphans_take(d->orphans, &r->build, SIGTERM);
        pending_answer_gone(r);
        if (d->hooks)
                d->hooks->removed(d->hooks_userdata, r);
        record_free(r);
        (void) sd_event_source_set_enabled(d->settle_accounts, SD_EVENT_ONESHOT);
}

void daemon_unmounted(Daemon *d, uint64_t id) {
        for (size_t i = 0; i < d->volumes.n; i++) {
                Record *r = d->volumes.items[i];
                if (!record_drop_mount(r, id))
                        continue;
                if (r->n_mounts == 0)
                        remove_record(d, i);
                else {
                        look_at_trust(d, r);
                        hold_mount(d, r); /* by another one, if it was that */
                        news_tell(d->bus, r);
                }
                return;
        }
}

void daemon_device_changed(Daemon *d, Record *r, DeviceInfo *info) {
        device_info_done(&r->device);
        r->device = *info;
        *info = (DeviceInfo){};
        look_at_trust(d, r);
        news_tell(d->bus, r);
}

int daemon_trust(Daemon *d, Record *r, bool trusted) {
        if (isempty(r->device.uuid))
                return error_origin(-EINVAL);
        int e = trusted ? trust_store_add(d->trust, r->device.uuid, r->device.serial)
                        : trust_store_remove(d->trust, r->device.uuid);
        if (e < 0)
                return e;
        LogFields fields = news_fields(r, NULL);
        log_send(LOG_NOTICE, &fields, "%s", trusted ? "trusted from now on" : "no longer trusted");
        for (size_t i = 0; i < d->volumes.n; i++)
                look_at_trust(d, d->volumes.items[i]);
        return 0;
}

void daemon_feed(Daemon *d, Record *r, VolumeEvent event) {
        feed(d, r, event);
}

void daemon_set_hooks(Daemon *d, const DaemonHooks *hooks, void *userdata) {
        d->hooks = hooks;
        d->hooks_userdata = userdata;
}

void daemon_set_look_afresh(Daemon *d, look_afresh_t look_afresh, void *userdata) {
        d->look_afresh = look_afresh;
        d->look_userdata = userdata;
}

void daemon_look_afresh(Daemon *d, bool anyway) {
        if (d->look_afresh)
                d->look_afresh(d->look_userdata, anyway);
}

void daemon_settle_accounts(Daemon *d) {
        (void) sd_event_source_set_enabled(d->settle_accounts, SD_EVENT_ONESHOT);
}

void daemon_set_lock(Daemon *d, Record *r, VolumeLock lock) {
        volume_set_lock(&r->volume, lock);
        follow(d, r);
        tell_soon(d, r);
}

void daemon_hurry(Daemon *d, Record *r) {
        feed(d, r, VOLUME_HURRY_WANTED);
        bool hangs = r->volume.state == VOLUME_HUNG && r->volume.scan_runs;
        r->look_target = r->scans_begun + (hangs ? 0 : 1);
}

bool daemon_has_looked(const Record *r) {
        return r->volume.state == VOLUME_HUNG || r->scans_ended >= r->look_target;
}

void daemon_request(Daemon *d, Record *r, BusVerb verb, bool force, BusCall *call) {
        if (r->volume.state == VOLUME_HUNG) {
                bus_reply_error(call, BOOTKEEP_ERROR_NOT_READY, "%s is not responding", r->name);
                return;
        }
        if (pending_add(r, verb, call) < 0) {
                bus_reply_error(call, SD_BUS_ERROR_NO_MEMORY, "Out of memory");
                return;
        }
        bool scan = verb == BUS_SCAN || (verb == BUS_PREPARE_UNMOUNT && !r->volume.trusted);
        feed(d, r, scan ? VOLUME_SCAN_WANTED : force ? VOLUME_FORCE_WANTED : VOLUME_BUILD_WANTED);
}

/* The whole */

static int on_boot_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Daemon *d = userdata;
        hold_all(d, VOLUME_HOLD_BOOT, false);
        return sd_event_source_set_enabled(d->settle_accounts, SD_EVENT_ONESHOT);
}

static int apply_settings(Daemon *d) {
        d->config = settings_volume_config(&d->settings);
        for (size_t i = 0; i < d->volumes.n; i++) {
                hold_for_settings(d, d->volumes.items[i]);
                news_tell(d->bus, d->volumes.items[i]);
        }
        hold_all(d, VOLUME_HOLD_BOOT, shortly_after_boot(d));
        return set_timer(d, &d->boot_timer, shortly_after_boot(d) ? d->settings.boot_delay : USEC_INFINITY,
                         on_boot_timer, d);
}

int daemon_new(sd_event *event, const DaemonOptions *options, Settings *settings, Daemon **ret) {
        _cleanup_(daemon_freep) Daemon *d = calloc(1, sizeof(*d));
        if (!d)
                return error_origin(-ENOMEM);
        d->event = sd_event_ref(event);
        d->options = options;
        d->settings = *settings;
        *settings = (Settings){};
        _cleanup_free_ char *trusted = NULL;
        int r = strprintf(&trusted, "%s/trusted", options->state);
        if (r >= 0)
                r = trust_store_new(trusted, &d->trust);
        if (r < 0)
                return log_errno(r, "Failed to read what is trusted from %s/trusted", options->state);
        r = orphans_new(event, &d->orphans);
        if (r >= 0)
                r = sd_event_add_defer(event, &d->settle_accounts, on_settle_accounts, d);
        if (r >= 0) /* behind everything that is ready now */
                r = sd_event_source_set_priority(d->settle_accounts, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = apply_settings(d);
        if (r < 0)
                return log_errno(r, "Failed to prepare the event loop");
        *ret = TAKE_PTR(d);
        return 0;
}

Daemon *daemon_free(Daemon *d) {
        if (!d)
                return NULL;
        roster_done(&d->volumes);
        sd_event_source_disable_unref(d->settle_accounts);
        sd_event_source_disable_unref(d->hold_timer);
        sd_event_source_disable_unref(d->boot_timer);
        sd_event_source_disable_unref(d->stop_timer);
        sd_event_source_disable_unref(d->tell_timer);
        orphans_free(d->orphans);
        trust_store_free(d->trust);
        settings_done(&d->settings);
        strv_free(d->busy);
        strv_free(d->holding);
        free(d->status);
        sd_event_unref(d->event);
        free(d);
        return NULL;
}

sd_event *daemon_event_loop(Daemon *d) {
        return d->event;
}

const DaemonOptions *daemon_options(const Daemon *d) {
        return d->options;
}

void daemon_set_bus(Daemon *d, Bus *bus) {
        d->bus = bus;
}

/* The builders, the defaults of a scan or who is trusted may be others now: everything is looked at again. */
void daemon_set_settings(Daemon *d, Settings *settings) {
        settings_replace(&d->settings, settings);
        int r = apply_settings(d);
        if (r < 0)
                log_errno(r, "Failed to set the timer");
        for (size_t i = 0; i < d->volumes.n; i++) {
                look_at_trust(d, d->volumes.items[i]);
                feed(d, d->volumes.items[i], VOLUME_SCAN_WANTED);
        }
}

static int on_stop_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Daemon *d = userdata;
        return sd_event_exit(d->event, 0);
}

void daemon_stop(Daemon *d) {
        d->stopping = true;
        for (size_t i = 0; i < d->volumes.n; i++) {
                Record *r = d->volumes.items[i];
                if (r->scan.job)
                        (void) job_kill(r->scan.job, SIGKILL); /* it writes nothing */
                if (r->build.job)
                        (void) job_kill(r->build.job, SIGTERM);
        }
        int r = anything_runs(d) ? set_timer(d, &d->stop_timer, now_usec() + STOP_USEC, on_stop_timer, d)
                                 : error_origin(-ENOENT);
        if (r < 0)
                (void) sd_event_exit(d->event, 0);
}
