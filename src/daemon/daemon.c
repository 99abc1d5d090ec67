/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/daemon.h"

#include "base/error.h"
#include "base/log.h"
#include "bootkeep.h"
#include "daemon/answer.h"
#include "daemon/ledger.h"
#include "daemon/orphans.h"
#include "daemon/overview.h"
#include "daemon/past.h"
#include "daemon/pending.h"
#include "daemon/shown.h"
#include "daemon/slots.h"
#include "daemon/timer.h"
#include "daemon/world/markfiles.h"

#include <signal.h>
#include <sys/stat.h>

/* A daemon that is told to stop exits within a second, whatever its children do. */
#define STOP_USEC (700 * USEC_PER_MSEC)

struct Daemon {
        sd_event *event;
        const DaemonOptions *options;
        Settings settings;
        TrustStore *trust;
        const DaemonHooks *hooks; /* may be NULL */
        void *hooks_userdata;
        look_afresh_t look_afresh; /* may be NULL */
        void *look_userdata;

        Roster volumes;
        Waiters waiters;
        Driver driver;
        Slots slots;
        Overview overview;
        Past past;
        Orphans *orphans;
        Ledger ledger;
        char *history; /* the directory */
        char *units;   /* the folder of all builds in units; NULL: they are children */

        sd_event_source *settle_accounts; /* once after each batch of events */
        sd_event_source *stop_timer;
};

/* After each batch of events */

static bool any_child_runs(const Daemon *d) {
        return roster_any_runs(&d->volumes) || orphans_any(d->orphans);
}

static int on_settle_accounts(sd_event_source *s, void *userdata) {
        Daemon *d = userdata;
        if (!d->driver.stopping)
                slots_settle(
                        &d->slots); /* which may require another round: a build that could not be started */
        else if (!any_child_runs(d))
                return sd_event_exit(d->event, 0);
        if (d->ledger.list.n > 0 && ledger_settle(&d->ledger, &d->volumes) && d->driver.news.bus)
                bus_owed_changed(d->driver.news.bus, d->ledger.list.n == 0);
        if (d->hooks)
                d->hooks->settled(d->hooks_userdata);
        overview_tell_soon(&d->overview, NULL);
        past_settle(&d->past);
        if (d->driver.in_doubt)
                daemon_look_afresh(d, true);
        d->driver.in_doubt = false;
        return 0;
}

void daemon_settle_accounts(Daemon *d) {
        (void) sd_event_source_set_enabled(d->settle_accounts, SD_EVENT_ONESHOT);
}

static void on_machine_moved(void *userdata) {
        daemon_settle_accounts(userdata);
}

void daemon_set_hooks(Daemon *d, const DaemonHooks *hooks, void *userdata) {
        assert(!hooks || (hooks->settled && hooks->added));
        d->hooks = hooks;
        d->hooks_userdata = userdata;
}

static void on_locks_read(void *userdata, LockedFiles *locked) {
        const Daemon *d = userdata;
        if (d->hooks && d->hooks->forgive)
                d->hooks->forgive(d->hooks_userdata, locked);
}

void daemon_set_look_afresh(Daemon *d, look_afresh_t look_afresh, void *userdata) {
        d->look_afresh = look_afresh;
        d->look_userdata = userdata;
}

void daemon_look_afresh(Daemon *d, bool anyway) {
        if (d->look_afresh)
                d->look_afresh(d->look_userdata, anyway);
}

static void on_look_wanted(void *userdata, bool anyway) {
        daemon_look_afresh(userdata, anyway);
}

/* Volumes */

Record *daemon_find(Daemon *d, const char *name) {
        return roster_find(&d->volumes, name);
}

Record *daemon_look_up(Daemon *d, const char *argument) {
        return roster_look_up(&d->volumes, argument);
}

Record *daemon_next(Daemon *d, const Record *record) {
        return roster_next(&d->volumes, record);
}

int daemon_busy(Daemon *d, char ***ret) {
        return roster_busy(&d->volumes, ret);
}

bool daemon_is_quiet(Daemon *d) {
        return driver_is_quiet(&d->driver);
}

const char *daemon_booted_stale(const Daemon *d) {
        return past_text(&d->past);
}

Waiters *daemon_waiters(Daemon *d) {
        return &d->waiters;
}

Driver *daemon_driver(Daemon *d) {
        return &d->driver;
}

static bool is_to_be_trusted(const Daemon *d, const Record *record) {
        return (d->settings.running_system && record_is_running_system(record)) ||
               trust_store_has(d->trust, record->device.uuid, record->device.serial);
}

static void update_trust(Daemon *d, Record *record) {
        bool trusted = is_to_be_trusted(d, record);
        if (trusted != record->volume.trusted)
                driver_feed(&d->driver, record, trusted ? VOLUME_TRUST : VOLUME_DISTRUST);
}

/* It is announced as a whole, not as changes, before anything happens to it. */
static void introduce(Daemon *d, Record *record) {
        _cleanup_strv_free_ char **all = NULL;
        const MountEntry *m = record_mount(record);
        LogFields fields = news_fields(record, BOOTKEEP_MESSAGE_VOLUME_APPEARED);
        log_send(LOG_INFO, &fields, "found on %s (%s)", m->target, m->fstype);
        if (d->hooks)
                d->hooks->added(d->hooks_userdata, record);
        (void) shown_take_changes(record, news_holder(&d->driver.news, record), &all);
        if (d->driver.news.bus)
                bus_volume_added(d->driver.news.bus, record->name);
}

static int add_record(Daemon *d, const char *name, const MountEntry *mount, DeviceInfo *device) {
        _cleanup_(record_freep) Record *record = NULL;
        int r = record_new(&d->driver, name, &record);
        if (r >= 0)
                r = record_set_mount(record, mount);
        if (r >= 0)
                r = roster_add(&d->volumes, record);
        if (r < 0)
                return r;
        Record *added = TAKE_PTR(record);
        added->device = *device;
        *device = (DeviceInfo){};
        if (is_to_be_trusted(d, added))
                (void) volume_event(&added->volume, &d->driver.config, VOLUME_TRUST, now_usec());
        slots_hold_new(&d->slots, added);
        slots_leave_alone(&d->slots, added);
        added->look_target = 1; /* until its first scan nobody knows what is owed */
        bool builds = driver_find_build(&d->driver, added);
        introduce(d, added);
        driver_feed(&d->driver, added, VOLUME_APPEARED);
        if (builds)
                driver_feed(&d->driver, added, VOLUME_BUILD_ADOPTED);
        return 0;
}

int daemon_mounted(Daemon *d, const char *name, const MountEntry *mount, DeviceInfo *device) {
        Record *record = daemon_find(d, name);
        if (!record)
                return add_record(d, name, mount, device);
        int r = record_set_mount(record, mount);
        if (r < 0)
                return r;
        daemon_device_changed(d, record, device);
        return 0;
}

void daemon_abandon(Daemon *d, Running *running) {
        orphans_take(d->orphans, running, SIGKILL);
}

static void remove_record(Daemon *d, Record *record) {
        LogFields fields = news_fields(record, BOOTKEEP_MESSAGE_VOLUME_GONE);
        log_send(LOG_INFO, &fields, "gone");
        if (d->driver.news.bus) /* while it can still be found: sd-bus queries its interfaces */
                bus_volume_removed(d->driver.news.bus, record->name);
        roster_take(&d->volumes, record);
        orphans_take(d->orphans, &record->scan, SIGKILL);
        orphans_take(d->orphans, &record->build, SIGTERM);
        orphans_take(d->orphans, &record->opening.running, SIGKILL);
        waiters_answer_gone(&record->waiters, &record->lock, record->name);
        record_free(record);
        daemon_settle_accounts(d);
}

void daemon_unmounted(Daemon *d, uint64_t id) {
        for (Record *record = daemon_next(d, NULL); record; record = daemon_next(d, record)) {
                if (!record_drop_mount(record, id))
                        continue;
                if (record->n_mounts == 0)
                        remove_record(d, record);
                else {
                        update_trust(d, record);
                        driver_mount_changed(&d->driver, record); /* it may be held by that one */
                }
                return;
        }
}

void daemon_covered(Daemon *d, uint64_t id, const char *path) {
        for (Record *record = daemon_next(d, NULL); record; record = daemon_next(d, record)) {
                const MountEntry *m = record_mount(record);
                if (m && m->id == id && record_has_place(record, path))
                        driver_feed(&d->driver, record, VOLUME_CHANGED);
        }
}

void daemon_device_changed(Daemon *d, Record *record, DeviceInfo *info) {
        device_info_done(&record->device);
        record->device = *info;
        *info = (DeviceInfo){};
        update_trust(d, record);
        driver_mount_changed(&d->driver, record);
}

int daemon_trust(Daemon *d, Record *record, bool trusted) {
        if (isempty(record->device.uuid))
                return error_origin(-EINVAL);
        int r = trusted ? trust_store_add(d->trust, record->device.uuid, record->device.serial)
                        : trust_store_remove(d->trust, record->device.uuid);
        if (r < 0)
                return r;
        LogFields fields = news_fields(record, NULL);
        log_send(LOG_NOTICE, &fields, "%s", trusted ? "trusted from now on" : "no longer trusted");
        for (Record *other = daemon_next(d, NULL); other; other = daemon_next(d, other))
                update_trust(d, other);
        return 0;
}

void daemon_set_lock(Daemon *d, Record *record, VolumeLock lock) {
        driver_set_lock(&d->driver, record, lock);
        overview_tell_soon(&d->overview, record);
}

void daemon_request(Daemon *d, Record *record, WaitFor what, bool force, const Caller *caller) {
        if (record->volume.state == VOLUME_HUNG) {
                answer(caller->call, OUTCOME_HUNG, record->name, NULL);
                return;
        }
        if (pending_add(&d->waiters, record, what, caller) < 0) {
                answer(caller->call, OUTCOME_NO_MEMORY, NULL, NULL);
                return;
        }
        bool scan = what == WAIT_FOR_SCAN || (what == WAIT_FOR_UNMOUNT && !record->volume.trusted);
        driver_feed(&d->driver, record,
                    scan    ? VOLUME_SCAN_WANTED
                    : force ? VOLUME_FORCE_WANTED
                            : VOLUME_BUILD_WANTED);
}

const OwedList *daemon_owed(const Daemon *d) {
        return &d->ledger.list;
}

uint64_t daemon_flush_timeout(const Daemon *d) {
        return d->settings.flush_timeout;
}

void daemon_set_last_chance(Daemon *d, bool on) {
        slots_set_last_chance(&d->slots, on);
}

void daemon_set_connected(Daemon *d, bool on) {
        slots_set_connected(&d->slots, on);
}

/* Settings, start and stop */

static int apply_settings(Daemon *d) {
        d->driver.config = settings_volume_config(&d->settings);
        d->driver.pin_busy_volumes = d->settings.pin_busy_volumes;
        d->driver.launch = (LaunchOptions){
                .units = d->units,
                .libexec = d->options->libexec,
                .builders = d->options->builders,
                .runtime = d->options->runtime,
                .hold_locked = d->settings.hold_while_locked,
                .hold_exists = d->settings.hold_while_exists,
                .trust_ctime = d->settings.trust_ctime,
                .apart = d->options->mount_table,
        };
        return slots_apply_settings(&d->slots);
}

static int open_trust_store(Daemon *d) {
        _cleanup_free_ char *folder = NULL;
        int r = strprintf(&folder, "%s/trusted", d->options->state);
        if (r >= 0)
                r = trust_store_new(folder, &d->trust);
        return r < 0 ? log_errno(r, "Failed to read what is trusted from %s/trusted", d->options->state) : 0;
}

static int name_unit_folder(Daemon *d) {
        const DaemonOptions *o = d->options;
        if (!o->build_units)
                return 0;
        if (mkdir(o->runtime, 0755) < 0 && errno != EEXIST)
                return log_errno(-errno, "Failed to create %s", o->runtime);
        return strprintf(&d->units, "%s/builds", o->runtime);
}

static int prepare_loop(Daemon *d) {
        int r = orphans_new(d->event, &d->orphans);
        if (r >= 0)
                r = sd_event_add_defer(d->event, &d->settle_accounts, on_settle_accounts, d);
        if (r >= 0) /* after everything that is ready now */
                r = sd_event_source_set_priority(d->settle_accounts, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = apply_settings(d);
        return r < 0 ? log_errno(r, "Failed to prepare the event loop") : 0;
}

int daemon_new(sd_event *event, const DaemonOptions *options, Settings *settings, Daemon **ret) {
        _cleanup_(daemon_freep) Daemon *d = calloc(1, sizeof(*d));
        if (!d)
                return error_origin(-ENOMEM);
        d->event = sd_event_ref(event);
        d->options = options;
        d->settings = *settings;
        *settings = (Settings){};
        d->driver = (Driver){
                .event = event,
                .volumes = &d->volumes,
                .moved = on_machine_moved,
                .look_afresh = on_look_wanted,
                .userdata = d,
        };
        slots_init(&d->slots, &d->driver, &d->settings);
        d->slots.forgive = on_locks_read;
        d->slots.userdata = d;
        overview_init(&d->overview, &d->driver);
        past_init(&d->past, &d->driver, markfiles_are_used() ? "/run" : NULL);
        if (options->runtime) /* systemd has made it */
                (void) mkdir(options->runtime, 0755);
        int r = open_trust_store(d);
        if (r >= 0)
                r = ledger_read(&d->ledger, options->state);
        if (r >= 0)
                r = strprintf(&d->history, "%s/history", options->state);
        if (r >= 0)
                r = name_unit_folder(d);
        if (r >= 0)
                r = prepare_loop(d);
        if (r < 0)
                return r;
        d->driver.chronicle.dir = d->history;
        *ret = TAKE_PTR(d);
        return 0;
}

Daemon *daemon_free(Daemon *d) {
        if (!d)
                return NULL;
        assert(!d->hooks && !d->waiters.clients); /* higher layers are removed first */
        roster_done(&d->volumes);
        sd_event_source_disable_unref(d->settle_accounts);
        sd_event_source_disable_unref(d->stop_timer);
        slots_deinit(&d->slots);
        overview_deinit(&d->overview);
        past_deinit(&d->past);
        orphans_free(d->orphans);
        free(d->units);
        free(d->driver.no_units);
        free(d->history);
        trust_store_free(d->trust);
        ledger_done(&d->ledger);
        settings_done(&d->settings);
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

const Settings *daemon_settings(const Daemon *d) {
        return &d->settings;
}

void daemon_set_news(Daemon *d, const News *news) {
        d->driver.news = *news;
}

/* The builders, the defaults of a scan or what is trusted may have changed: everything is scanned again. */
void daemon_set_settings(Daemon *d, Settings *settings) {
        settings_replace(&d->settings, settings);
        (void) ledger_read(&d->ledger, d->options->state); /* -ENOMEM: as it was */
        if (d->driver.news.bus) {
                bus_manager_changed(d->driver.news.bus, "FlushTimeoutUSec");
                bus_manager_changed(d->driver.news.bus, "WaitInHooks");
                bus_manager_changed(d->driver.news.bus, "Owed");
        }
        int r = apply_settings(d);
        if (r < 0)
                log_errno(r, "Failed to set the timer");
        for (Record *record = daemon_next(d, NULL); record; record = daemon_next(d, record)) {
                update_trust(d, record);
                driver_feed(&d->driver, record, VOLUME_SCAN_WANTED);
        }
}

static int on_stop_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Daemon *d = userdata;
        return sd_event_exit(d->event, 0);
}

void daemon_stop(Daemon *d) {
        d->driver.stopping = true;
        for (Record *record = daemon_next(d, NULL); record; record = daemon_next(d, record))
                driver_kill_children(record);
        if (!any_child_runs(d) ||
            timer_set(d->event, &d->stop_timer, now_usec() + STOP_USEC, on_stop_timer, d) < 0)
                (void) sd_event_exit(d->event, 0);
}
