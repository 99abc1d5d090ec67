/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/driver.h"

#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "bootkeep.h"
#include "daemon/core/verdict.h"
#include "daemon/findings.h"
#include "daemon/pending.h"
#include "daemon/timer.h"
#include "daemon/world/pin.h"

static void replace_problem(Record *record, char *problem, bool of_build) {
        free(record->problem);
        record->problem = problem;
        record->built_badly = of_build && problem;
}

/* What was just noted counts as a failure; if nothing was, the last one is over. */
static void count_problem(Record *record) {
        (void) free_and_strdup(&record->failure, record->problem);
}

void driver_note_failure(Record *record, char *problem) {
        replace_problem(record, problem, true);
        count_problem(record);
}

/* The scan */

sd_bus *driver_get_connection(const Driver *d) {
        return d->news.bus ? bus_get_connection(d->news.bus) : NULL;
}

static LaunchBuild what_to_launch(const Record *record) {
        const MountEntry *m = record_mount(record);
        assert(m);
        return (LaunchBuild){record->name, m->target, m->id, record->build_forced};
}

/* The stamps, if the scan asks for them. */
static void open_stamps(const Driver *d, Record *record) {
        const MountEntry *m = record_mount(record);
        assert(m);
        if (!record->scan.report->uncover)
                return;
        const OpeningRequest request = {
                .event = d->event,
                .bus = driver_get_connection(d),
                .launch = &d->launch,
                .scan = &record->scan.job,
                .volume = record->name,
                .mount_point = m->target,
                .mount_id = m->id,
        };
        opening_follow(&record->opening, &request);
}

static int on_scan_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Record *record = userdata;
        (void) running_read(&record->scan);
        open_stamps(record->driver, record);
        if (record->scan.garbled) /* it is not as it should be, and has failed in any case */
                running_kill(&record->scan, SIGKILL);
        return 0;
}

static bool sources_are_unchanged(const Record *record) {
        return record->built_from && streq_ptr(record->built_from, record->report->sources);
}

static void scan_ended(Driver *d, Record *record, int status) {
        static const char *const properties[] = {"Caches", "Learned", "Helpers", NULL};
        findings_note_watching(record, roster_without_watch(d->volumes));
        VolumeEvent verdict = verdict_of_scan(status, sources_are_unchanged(record));
        if (verdict == VOLUME_SCAN_ERROR) {
                d->in_doubt = true;
                count_problem(record);
        }
        record->scans_ended = record->scans_begun;
        /* before the state: a client that sees "fresh" also sees the details */
        news_tell_properties(&d->news, record, properties);
        driver_feed(d, record, verdict);
        if (volume_scan_pending(&record->volume))
                return; /* requested again: the answer is yet to come */
        pending_answer_scans(record, verdict_to_string(record->volume.state, verdict));
        if (record->volume.state != VOLUME_STALE)
                pending_answer_rebuilds(record, NOTHING_TO_BUILD, verdict == VOLUME_SCAN_FRESH);
}

static int on_scan_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Record *record = userdata;
        Driver *d = record->driver;
        char *problem = NULL;
        int status = running_conclude(&record->scan, "bootkeep-scan", &problem);
        if (problem && status != BOOTKEEP_SCAN_STALE)
                replace_problem(record, problem, false);
        else
                free(problem);
        opening_end(&record->opening);
        findings_take_report(record, roster_untrusted_size(d->volumes, record));
        running_done(&record->scan);
        if (d->stopping)
                d->moved(d->userdata);
        else
                scan_ended(d, record, status);
        return 0;
}

static int on_watch(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Record *record = userdata;
        (void) watch_has_grown(record->watch); /* what is queued now is this change; more is another */
        driver_feed(record->driver, record, VOLUME_CHANGED);
        return 0;
}

/* Tried again before each scan: the limit may have been raised. If it fails, findings_note_watching() reports
 * that. */
static void start_watch(const Driver *d, Record *record) {
        int r = record->watch ? 0 : watch_new(&record->watch);
        if (r >= 0 && !record->watch_source)
                r = sd_event_add_io(d->event, &record->watch_source, watch_get_fd(record->watch), EPOLLIN,
                                    on_watch, record);
        LogFields fields = news_fields(record, NULL);
        if (r < 0 && r != -EMFILE)
                (void) log_send_errno(LOG_ERR, &fields, r, "Failed to watch");
        if (r < 0)
                record->watch = watch_free(record->watch);
}

static int start_scan(const Driver *d, Record *record) {
        const LaunchBuild scan = what_to_launch(record);
        Job *job = NULL;
        assert(!running_runs(&record->scan) && !running_runs(&record->build));
        record->scans_begun++;
        start_watch(d, record);
        /* What was queued is covered by the scan that follows. */
        int r = record->watch ? watch_drain(record->watch) : 0;
        LogFields fields = news_fields(record, NULL);
        if (r < 0)
                (void) log_send_errno(LOG_WARNING, &fields, r, "Failed to drain the watch");
        r = launch_scan(&d->launch, &scan, record->watch ? watch_get_fd(record->watch) : -EBADF, &job);
        if (r < 0)
                return r;
        return running_listen(&record->scan, d->event, job,
                              &(RunningHandlers){on_scan_output, on_scan_exit, record});
}

/* The build */

/* Once a second is enough: it may print without end. */
static void note_build_alive(Driver *d, Record *record) {
        if (record->volume.state == VOLUME_HUNG ||
            now_usec() + d->config.build_timeout - USEC_PER_SEC >= record->volume.timer)
                driver_feed(d, record, VOLUME_BUILD_ALIVE);
}

/* There had been so many before. For when the system goes down: a builder that sleeps gives none. */
static void note_sign_of_life(Record *record, uint64_t before) {
        if (record->build.report->signs_of_life != before)
                record->sign_of_life = now_usec();
}

static int on_build_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        static const char *const progress[] = {"Progress", NULL};
        Record *record = userdata;
        Driver *d = record->driver;
        const Report *report = record->build.report;
        uint64_t done = report->progress_done, of = report->progress_of;
        uint64_t signs = report->signs_of_life;
        bool waited = report->waiting;
        (void) running_read(&record->build);
        note_sign_of_life(record, signs);
        if (report->progress_done != done || report->progress_of != of)
                news_tell_properties(&d->news, record, progress);
        note_build_alive(d, record);
        if (report->waiting != waited) { /* its slot is free, or taken again */
                news_tell(&d->news, record);
                d->moved(d->userdata);
        }
        return 0;
}

/* Announces the end of a build, even of one that could not be started. */
static void note_build_ended(const Driver *d, Record *record, int status) {
        record->sign_of_life = now_usec();
        record->last_build_end = realtime_usec();
        record->last_build_status = status;
        news_tell_build_ended(&d->news, record);
}

static void end_build_of(Driver *d, Record *record) {
        char *problem = NULL;
        int status = running_conclude(&record->build, "bootkeep-build", &problem);
        bool well = status == BOOTKEEP_BUILD_SUCCESS;
        bool locked_out = streq_ptr(record->build.report->result, REPORT_RESULT_LOCKED);
        VolumeEvent verdict = verdict_of_build(status, locked_out);
        replace_problem(record, problem, !well);
        record->built_nothing = well && report_is_of_nothing(record->build.report);
        if (well || verdict == VOLUME_BUILD_FAILURE)
                count_problem(record);
        if (verdict != VOLUME_BUILD_LOCKED && (well || !d->stopping))
                chronicle_end(&d->chronicle, record, record->build.report, status);
        running_done(&record->build);
        if (d->stopping && !well) /* we stopped it ourselves */
                d->moved(d->userdata);
        else {
                note_build_ended(d, record, status);
                driver_feed(d, record, verdict);
        }
        if (verdict == VOLUME_BUILD_LOCKED) { /* what was requested is yet to be done */
                if (record->build_forced)
                        driver_feed(d, record, VOLUME_FORCE_WANTED);
        } else
                pending_answer_rebuilds(record, record->builds, well);
}

static void note_failed_start(const Driver *d, Record *record, const char *program, int r) {
        char *problem = NULL;
        (void) strprintf(&problem, "Failed to start %s/%s: %s", d->launch.libexec, program, strerror(-r));
        replace_problem(record, problem, streq(program, "bootkeep-build"));
        count_problem(record);
}

static void note_failed_build_start(Driver *d, Record *record, int r) {
        note_failed_start(d, record, "bootkeep-build", r);
        chronicle_end(&d->chronicle, record, NULL, r);
        note_build_ended(d, record, r);
        pending_answer_rebuilds(record, record->builds, false);
}

/* systemd does not run it, and we could not. LATER: it was not reached. */
static VolumeEvent note_unit_not_run(Driver *d, Record *record, const char *why, bool later) {
        int status = later ? BOOTKEEP_BUILD_TEMPFAIL : -ECONNREFUSED;
        char *problem = NULL;
        (void) strprintf(&problem, "systemd does not build: %s", why);
        replace_problem(record, problem, true);
        if (!later)
                count_problem(record);
        chronicle_end(&d->chronicle, record, NULL, status);
        note_build_ended(d, record, status);
        pending_answer_rebuilds(record, record->builds, false);
        return later ? VOLUME_BUILD_NOT_NOW : VOLUME_BUILD_FAILURE;
}

static int on_build_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata);

static int start_build_as_child(const Driver *d, Record *record) {
        const LaunchBuild build = what_to_launch(record);
        Job *job = NULL;
        int r = launch_build(&d->launch, &build, &job);
        if (r >= 0)
                r = running_listen(&record->build, d->event, job,
                                   &(RunningHandlers){on_build_output, on_build_exit, record});
        record->build_pid = r >= 0 ? job_get_pid(record->build.job) : 0;
        return r;
}

/* Once for each reason. */
static void say_no_units(Driver *d, const char *why) {
        if (free_and_strdup(&d->no_units, why) > 0)
                log_notice("Builds run as children of bootkeepd, not in units of their own: %s", why);
}

/* A build that could not go on without another unit says why itself. */
static const char *why_no_unit(Record *record) {
        (void) running_read(&record->build);
        const char *reason = record->build.report->reason;
        return isempty(reason) ? running_get_refusal(&record->build) : reason;
}

static void take_refusal(Driver *d, Record *record) {
        _cleanup_free_ char *why = NULL;
        bool later = running_was_unreached(&record->build);
        (void) free_and_strdup(&why, why_no_unit(record));
        (void) unitjob_conclude(record->build.unit);
        running_done(&record->build);
        driver_feed(d, record, note_unit_not_run(d, record, strempty(why), later));
}

/* systemd does not run it: it is begun as a child instead, and the machine need not know. */
static void replace_unit_by_child(Driver *d, Record *record) {
        say_no_units(d, why_no_unit(record));
        (void) unitjob_conclude(record->build.unit);
        running_done(&record->build);
        int r = d->stopping ? error_origin(-ECANCELED) : start_build_as_child(d, record);
        if (r >= 0)
                return;
        note_failed_build_start(d, record, r);
        driver_feed(d, record, VOLUME_BUILD_FAILURE);
}

static int on_build_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Record *record = userdata;
        Driver *d = record->driver;
        if (!running_has_ended(&record->build)) {
                running_inquire(&record->build, driver_get_connection(d));
                return 0;
        }
        /* one that has a process began, whatever is said about its end */
        if (running_get_refusal(&record->build) && record->volume.trusted && record->build_pid == 0) {
                if (d->launch.apart)
                        take_refusal(d, record);
                else
                        replace_unit_by_child(d, record);
        } else {
                if (record->build.unit)
                        (void) free_and_strdup(&d->no_units, NULL);
                end_build_of(d, record);
        }
        return 0;
}

static int start_build_in_unit(const Driver *d, Record *record) {
        const LaunchBuild build = what_to_launch(record);
        UnitJob *unit = NULL;
        int r = launch_build_in_unit(&d->launch, &build, &unit);
        if (r < 0)
                return r;
        record->build_pid = 0;
        return running_start_unit(&record->build, (RunningStart){d->event, driver_get_connection(d)}, unit,
                                  &(RunningHandlers){on_build_output, on_build_exit, record});
}

static int start_build(Driver *d, Record *record, bool force) {
        static const char *const properties[] = {"LastBuildStart", NULL};
        assert(!running_runs(&record->scan) && !running_runs(&record->build));
        record->builds++;
        record->build_forced = force;
        record->sign_of_life = now_usec();
        record->last_build_start = realtime_usec();
        chronicle_begin(record);
        (void) free_and_strdup(&record->built_from, record->report ? record->report->sources : NULL);
        news_tell_properties(&d->news, record, properties);
        int r = start_build_in_unit(d, record);
        if (r >= 0 || d->launch.apart)
                return r;
        if (r != -EOPNOTSUPP && r != -EBUSY)
                say_no_units(d, strerror(-r));
        return start_build_as_child(d, record);
}

bool driver_find_build(Driver *d, Record *record) {
        UnitJob *unit = NULL;
        if (launch_find_build(&d->launch, record->name, &unit) < 0)
                return false;
        pid_t pid = unitjob_get_pid(unit);
        record->sign_of_life = now_usec();
        record->last_build_start = unitjob_get_start(unit);
        if (running_listen_unit(&record->build, d->event, unit,
                                &(RunningHandlers){on_build_output, on_build_exit, record}) < 0)
                return false;
        (void) running_read(&record->build);
        record->builds_told = ++record->builds; /* by whoever began it */
        record->build_pid = pid;
        return true;
}

bool driver_is_build(Record *record, pid_t pid) {
        if (pid != 0 && record->build_pid != pid && record->build.unit &&
            unitjob_get_pid(record->build.unit) == pid)
                record->build_pid = pid;
        return pid != 0 ? pid == record->build_pid : record->volume.build_runs;
}

void driver_kill_children(const Record *record) {
        running_kill(&record->scan, SIGKILL);            /* it writes nothing */
        running_kill(&record->opening.running, SIGKILL); /* nor does this */
        if (record->build.job)
                running_kill(&record->build, SIGTERM);
}

/* Events in, actions out */

static int on_volume_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Record *record = userdata;
        Driver *d = record->driver;
        record->armed_for = USEC_INFINITY; /* it has expired */
        if (record->build.unit && record->volume.state == VOLUME_BUILDING &&
            now_usec() >= record->volume.timer && unitjob_is_lost(record->build.unit)) {
                end_build_of(d, record);
                return 0;
        }
        if (record->volume.state == VOLUME_SETTLING && record->watch && watch_has_grown(record->watch) != 0)
                driver_feed(d, record, VOLUME_CHANGED);
        if (volume_settled(&record->volume, &d->config, now_usec()))
                d->look_afresh(d->userdata, false); /* the change may have been its unmount */
        if (roster_has(d->volumes, record))
                driver_feed(d, record, VOLUME_TIMER);
        return 0;
}

/* Starts what the machine requested. If that fails, the event to feed back, as if the child had failed, is
 * returned; _VOLUME_EVENT_MAX: none. */
static VolumeEvent do_actions(Driver *d, Record *record, unsigned actions) {
        if (actions == 0 || d->stopping)
                return _VOLUME_EVENT_MAX;
        if (actions & VOLUME_ACT_SCAN) {
                int r = start_scan(d, record);
                if (r >= 0)
                        return _VOLUME_EVENT_MAX;
                record->scans_ended = record->scans_begun;
                note_failed_start(d, record, "bootkeep-scan", r);
                return VOLUME_SCAN_ERROR;
        }
        int r = start_build(d, record, actions & VOLUME_ACT_FORCE);
        if (r >= 0)
                return _VOLUME_EVENT_MAX;
        if (d->launch.apart)
                return note_unit_not_run(d, record, strerror(-r), r == -ENOTCONN);
        note_failed_build_start(d, record, r);
        return VOLUME_BUILD_FAILURE;
}

/* A busy volume is held, so that nobody unmounts it while work is owed on it; an idle one never is. */
static void pin_or_release(const Driver *d, Record *record) {
        const MountEntry *m = record_mount(record);
        bool want =
                d->pin_busy_volumes && volume_busy(&record->volume) && now_usec() >= record->unpinned_until;
        if (record->pin >= 0 && (!want || !m || record->pinned != m->id))
                pin_release(TAKE_FD(record->pin));
        if (want && record->pin < 0 && m && pin_mount(m, d->launch.apart, &record->pin) >= 0)
                record->pinned = m->id;
}

static void note_since(uint64_t *since, bool is_so) {
        if (!is_so)
                *since = 0;
        else if (*since == 0)
                *since = now_usec();
}

static void set_volume_timer(const Driver *d, Record *record) {
        uint64_t when = record->volume.timer;
        if (record->timer && record->armed_for == when)
                return;
        int r = timer_set(d->event, &record->timer, when, on_volume_timer, record);
        LogFields fields = news_fields(record, NULL);
        if (r < 0)
                (void) log_send_errno(LOG_ERR, &fields, r, "Failed to set the timer");
        record->armed_for = when;
}

/* Brings everything in line with the machine. */
static void follow_machine(const Driver *d, Record *record) {
        const Volume *v = &record->volume;
        pin_or_release(d, record);
        if (record->watch_source)
                (void) sd_event_source_set_enabled(record->watch_source,
                                                   volume_listens(v) ? SD_EVENT_ON : SD_EVENT_OFF);
        set_volume_timer(d, record);
        note_since(&record->scan_due_since, volume_wants_scan(v));
        note_since(&record->stale_since, v->state == VOLUME_STALE);
        d->moved(d->userdata);
}

void driver_feed(Driver *d, Record *record, VolumeEvent event) {
        while (event != _VOLUME_EVENT_MAX)
                event = do_actions(d, record, volume_event(&record->volume, &d->config, event, now_usec()));
        follow_machine(d, record);
        news_tell(&d->news, record);
        pending_answer_resting(record);
}

void driver_set_lock(Driver *d, Record *record, VolumeLock lock) {
        volume_set_lock(&record->volume, lock);
        follow_machine(d, record);
}

void driver_set_hold(Driver *d, Record *record, VolumeHold hold, bool on) {
        if (!!(record->volume.holds & (unsigned) hold) == on)
                return;
        volume_hold(&record->volume, hold, on);
        news_tell(&d->news, record);
}

void driver_mount_changed(Driver *d, Record *record) {
        pin_or_release(d, record);
        news_tell(&d->news, record);
}

void driver_hurry(Driver *d, Record *record) {
        record->left_alone_until = 0;
        driver_feed(d, record, VOLUME_HURRY_WANTED);
        bool hangs = record->volume.state == VOLUME_HUNG && record->volume.scan_runs;
        record->look_target = record->scans_begun + (hangs ? 0 : 1);
}

bool driver_has_looked(const Record *record) {
        assert(record->scans_ended <= record->scans_begun);
        return record->volume.state == VOLUME_HUNG || record->scans_ended >= record->look_target;
}

bool driver_is_quiet(const Driver *d) {
        for (const Record *record = roster_next(d->volumes, NULL); record;
             record = roster_next(d->volumes, record))
                if (volume_busy(&record->volume) || !driver_has_looked(record))
                        return false;
        return true;
}
