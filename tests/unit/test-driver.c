/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/driver.h"

#include <sys/inotify.h>

#include "daemon/pending.h"
#include "daemonbus.h"
#include "driverworld.h"
#include "interpose.h"
#include "journal.h"
#include "unitworld.h"

static int inotify_error; /* errno of the next inotify_init1(), 0: it works */

int inotify_init1(int flags) {
        if (inotify_error > 0) {
                errno = inotify_error;
                return -1;
        }
        return REAL(inotify_init1)(flags);
}

static Record *appeared(World *w) {
        Record *r = world_add(w, "sda2", "/mnt");
        driver_feed(&w->driver, r, VOLUME_APPEARED);
        assert_true(volume_wants_scan(&r->volume));
        return r;
}

static void await_rest(World *w, Record *r) {
        run_until(w->event, !running_runs(&r->scan) && !running_runs(&r->build));
}

/* Scans R once; the program does SCRIPT. */
static void scan(World *w, Record *r, const char *script) {
        program_does(w, "scan", script);
        if (!volume_wants_scan(&r->volume))
                driver_feed(&w->driver, r, VOLUME_SCAN_WANTED);
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        await_rest(w, r);
}

/* Builds R, which is stale; a scan is due after that. */
static void build(World *w, Record *r, const char *script) {
        program_does(w, "build", script);
        assert_int_equal(r->volume.state, VOLUME_STALE);
        driver_feed(&w->driver, r, VOLUME_BUILD_SLOT);
        await_rest(w, r);
}

static Record *stale(World *w) {
        Record *r = appeared(w);
        scan(w, r, "echo SOURCES aa; echo CACHE c - stale; exit 1");
        assert_int_equal(r->volume.state, VOLUME_STALE);
        return r;
}

static Record *fresh(World *w) {
        Record *r = appeared(w);
        scan(w, r, "exit 0");
        assert_int_equal(r->volume.state, VOLUME_FRESH);
        return r;
}

static void scan_runs_with_its_slot_and_its_end_is_taken(void **state) {
        World *w = *state;
        Record *r = appeared(w);
        journal_begin(LOG_INFO);
        assert_true(r->scan_due_since > 0 && r->scan_due_since <= now_usec());
        assert_null(r->scan.job);
        assert_int_equal(r->scans_begun, 0);
        program_does(w, "scan", "echo MANIFEST /a; exit 0");
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        assert_non_null(r->scan.job);
        assert_int_equal(r->scan_due_since, 0);
        assert_int_equal(r->scans_begun, 1);
        assert_int_equal(r->scans_ended, 0);
        assert_non_null(r->watch);
        await_rest(w, r);
        assert_int_equal(r->volume.state, VOLUME_FRESH);
        assert_int_equal(r->scans_ended, 1);
        assert_string_equal(r->report->manifest, "/a");
        assert_null(r->problem);
        assert_false(r->volume.unwatched);
        assert_false(w->driver.in_doubt);
        assert_int_equal(calls_of(w, "scan --inotify-fd=3 --quiet --mount-id=7 "), 1);
        assert_int_equal(calls_of(w, " -- /mnt\n"), 1);
        assert_said("5 sda2: fresh\n");
        assert_no_children();
}

static void each_status_of_a_scan_has_its_state(void **state) {
        static const struct {
                const char *script;
                VolumeState state;
                const char *problem;
        } all[] = {
                {"exit 0", VOLUME_FRESH, NULL},
                {"exit 1", VOLUME_STALE, NULL},
                {"echo REASON unusual; exit 1", VOLUME_STALE, NULL},
                {"exit 2", VOLUME_PLAIN, "bootkeep-scan exited with status 2"},
                {"echo REASON line 5; exit 3", VOLUME_REFUSED, "line 5"},
                {"echo REASON broken; exit 4", VOLUME_FAILED, "broken"},
                {"kill -KILL $$", VOLUME_FAILED, "bootkeep-scan was terminated by signal 9 (Killed)"},
        };
        World *w = *state;
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                char name[] = {'s', 'd', (char) ('a' + i), 0};
                Record *r = world_add(w, name, "/mnt");
                driver_feed(&w->driver, r, VOLUME_APPEARED);
                w->driver.in_doubt = false;
                scan(w, r, all[i].script);
                assert_int_equal(r->volume.state, all[i].state);
                assert_string_equal(strempty(r->problem), strempty(all[i].problem));
                assert_false(r->built_badly);
                assert_int_equal(w->driver.in_doubt, all[i].state == VOLUME_FAILED);
        }
}

/* More than a pipe holds: it is read while it runs. */
static void output_larger_than_a_pipe_is_read(void **state) {
        World *w = *state;
        Record *r = appeared(w);
        scan(w, r, "echo SOURCES aa; yes WATCHES 5 | head -n 20000; echo WATCHES 7; exit 1");
        assert_int_equal(r->volume.state, VOLUME_STALE);
        assert_int_equal(r->report->watches, 7);
        build(w, r, "yes PROGRESS 1 2 | head -n 20000; exit 0");
        assert_int_equal(r->last_build_status, 0);
}

static void scan_that_prints_nonsense_is_ended(void **state) {
        World *w = *state;
        Record *r = appeared(w);
        scan(w, r, "echo nonsense; exec sleep 1000");
        assert_int_equal(r->volume.state, VOLUME_FAILED);
        assert_string_equal(r->problem, "bootkeep-scan: Bad message");
}

static void stale_volume_is_built_and_scanned_again(void **state) {
        World *w = *state;
        Record *r = stale(w);
        assert_true(r->stale_since > 0 && r->stale_since <= now_usec());
        uint64_t before = realtime_usec();
        program_does(w, "build", "echo PROGRESS 3 5; exit 0");
        driver_feed(&w->driver, r, VOLUME_BUILD_SLOT);
        assert_int_equal(r->volume.state, VOLUME_BUILDING);
        assert_int_equal(r->stale_since, 0);
        assert_int_equal(r->builds, 1);
        assert_false(r->build_forced);
        assert_string_equal(r->built_from, "aa");
        assert_int_equal(r->build_pid, job_get_pid(r->build.job));
        assert_true(r->last_build_start >= before);
        assert_int_equal(r->last_build_end, 0);
        await_rest(w, r);
        assert_true(volume_wants_scan(&r->volume));
        assert_true(r->last_build_end >= r->last_build_start);
        assert_int_equal(r->last_build_status, 0);
        assert_null(r->problem);
        assert_false(r->built_badly);
        assert_int_equal(calls_of(w, "build --no-wait --mount-id=7 "), 1);
        scan(w, r, "exit 0");
        assert_int_equal(r->volume.state, VOLUME_FRESH);
}

/* A build that claims success has failed if the same is stale afterwards. */
static void what_is_stale_after_a_build_counts_by_its_sources(void **state) {
        World *w = *state;
        Record *r = stale(w);
        build(w, r, "exit 0");
        scan(w, r, "echo SOURCES bb; exit 1");
        assert_int_equal(r->volume.state, VOLUME_STALE);
        build(w, r, "exit 0");
        scan(w, r, "echo SOURCES bb; exit 1");
        assert_int_equal(r->volume.state, VOLUME_FAILED);
        assert_int_equal(r->volume.failures, 1);
}

static void sources_that_are_not_known_may_have_changed(void **state) {
        World *w = *state;
        Record *r = appeared(w);
        scan(w, r, "exit 1");
        build(w, r, "exit 0");
        assert_null(r->built_from);
        scan(w, r, "exit 1");
        assert_int_equal(r->volume.state, VOLUME_STALE);
}

static void a_failed_build_has_a_reason_and_is_retried_later(void **state) {
        World *w = *state;
        Record *r = stale(w);
        build(w, r, "exit 3");
        assert_int_equal(r->last_build_status, 3);
        assert_int_equal(r->volume.failures, 1);
        assert_string_equal(r->problem, "bootkeep-build exited with status 3");
        assert_true(r->built_badly);
        scan(w, r, "echo SOURCES aa; exit 1");
        assert_int_equal(r->volume.state, VOLUME_FAILED);
        assert_string_equal(r->problem, "bootkeep-build exited with status 3");
        scan(w, r, "echo REASON broken; exit 4");
        assert_false(r->built_badly);
}

static void build_that_was_put_off_is_no_failure(void **state) {
        World *w = *state;
        Record *r = stale(w);
        build(w, r, "exit 75");
        assert_int_equal(r->volume.failures, 0);
        assert_int_equal(r->volume.attempts, 1);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_RETRY);
        assert_true(r->built_badly);
}

/* What was asked for, by force, is still wanted when the lock is free. */
static void build_that_was_locked_out_is_asked_for_again(void **state) {
        World *w = *state;
        for (int force = 0; force <= 1; force++) {
                Record *r = world_add(w, force ? "forced" : "plain", "/mnt");
                driver_feed(&w->driver, r, VOLUME_APPEARED);
                scan(w, r, "echo SOURCES aa; exit 1");
                if (force) {
                        driver_feed(&w->driver, r, VOLUME_FORCE_WANTED);
                        scan(w, r, "echo SOURCES aa; exit 1");
                }
                build(w, r, "echo RESULT locked; exit 75");
                assert_int_equal(r->build_forced, force);
                assert_int_equal(r->volume.attempts, 0);
                assert_int_equal(r->volume.holds, 0);
                scan(w, r, "exit 0");
                assert_int_equal(r->volume.state, force ? VOLUME_STALE : VOLUME_FRESH);
                if (force)
                        build(w, r, "exit 0");
        }
        assert_int_equal(calls_of(w, "build --force "), 2);
        assert_int_equal(calls_of(w, "build --no-wait "), 1);
}

static void remove_program(const World *w, const char *name) {
        assert_int_equal(unlinkat(w->scratch->fd, name, 0), 0);
}

static void a_child_that_cannot_be_started_has_failed(void **state) {
        World *w = *state;
        Record *r = stale(w);
        char expected[128];
        remove_program(w, "bootkeep-build");
        driver_feed(&w->driver, r, VOLUME_BUILD_SLOT);
        (void) snprintf(expected, sizeof(expected),
                        "Failed to start %s/bootkeep-build: No such file or directory", w->scratch->path);
        assert_string_equal(r->problem, expected);
        assert_true(r->built_badly);
        assert_int_equal(r->builds, 1);
        assert_int_equal(r->build_pid, 0);
        assert_int_equal(r->last_build_status, -ENOENT);
        assert_true(r->last_build_end >= r->last_build_start);
        assert_int_equal(r->volume.failures, 1);
        remove_program(w, "bootkeep-scan");
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        (void) snprintf(expected, sizeof(expected),
                        "Failed to start %s/bootkeep-scan: No such file or directory", w->scratch->path);
        assert_string_equal(r->problem, expected);
        assert_false(r->built_badly);
        assert_int_equal(r->volume.state, VOLUME_FAILED);
        assert_int_equal(r->volume.failures, 2);
        assert_int_equal(r->scans_begun, 2);
        assert_int_equal(r->scans_ended, 2);
}

static void nothing_is_started_while_stopping(void **state) {
        World *w = *state;
        Record *r = appeared(w);
        w->driver.stopping = true;
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        assert_null(r->scan.job);
        assert_int_equal(calls_of(w, "scan"), 0);
}

static void a_scan_stopped_at_exit_is_not_reported(void **state) {
        World *w = *state;
        Record *r = appeared(w);
        program_does(w, "scan", "exec sleep 1000");
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        w->driver.stopping = true;
        driver_kill_children(r);
        w->moved = 0;
        await_rest(w, r);
        assert_int_equal(w->moved, 1);
        assert_int_equal(r->volume.state, VOLUME_NEW);
        assert_int_equal(r->scans_ended, 0);
}

/* A build gets the chance to clean up. */
static void a_build_stopped_at_exit_is_reported_only_if_it_succeeded(void **state) {
        World *w = *state;
        Record *r = stale(w);
        for (int well = 0; well <= 1; well++) {
                program_does(w, "build",
                             well ? "trap 'exit 0' TERM; echo PROGRESS 1 2; while :; do sleep 0.01; done"
                                  : "trap 'exit 9' TERM; echo PROGRESS 1 2; while :; do sleep 0.01; done");
                driver_feed(&w->driver, r, VOLUME_BUILD_SLOT);
                run_until(w->event, r->build.report->progress_done == 1); /* its trap is set */
                w->driver.stopping = true;
                driver_kill_children(r);
                w->moved = 0;
                await_rest(w, r);
                w->driver.stopping = false;
                assert_true(w->moved > 0);
                assert_int_equal(r->last_build_end > 0, well);
                if (!well) { /* as if it had been put off: another daemon builds it */
                        assert_int_equal(r->volume.state, VOLUME_BUILDING);
                        driver_feed(&w->driver, r, VOLUME_BUILD_LOCKED);
                        scan(w, r, "exit 1");
                }
        }
        assert_int_equal(r->last_build_status, 0);
}

static void arm(World *w, Record *r) {
        assert_true(inotify_add_watch(watch_get_fd(r->watch), w->scratch->path, IN_CREATE) >= 0);
}

static void a_change_settles_and_is_scanned(void **state) {
        World *w = *state;
        Record *r = fresh(w);
        arm(w, r);
        scratch_write(w->scratch, "change", "");
        run_until(w->event, r->volume.state == VOLUME_SETTLING);
        uint64_t began = now_usec(), change = r->volume.last_change;
        assert_int_equal(w->looked, 0);
        run_until(w->event, volume_wants_scan(&r->volume));
        assert_true(now_usec() - began >= w->driver.config.settle / 2);
        assert_true(w->looked > 0);                      /* it may have been unmounted */
        assert_int_equal(r->volume.last_change, change); /* one change is not two */
        scan(w, r, "exit 0");
        assert_int_equal(r->volume.state, VOLUME_FRESH);
        assert_false(volume_scan_pending(&r->volume));
        scratch_write(w->scratch, "again", ""); /* nor is it the last */
        run_until(w->event, volume_wants_scan(&r->volume));
}

/* It is looked at by the timer alone, and each time that something was found it settles for longer. */
static void a_change_while_settling_prolongs_it(void **state) {
        World *w = *state;
        w->driver.config.settle = 100 * USEC_PER_MSEC;
        w->driver.config.settle_max = 1000 * USEC_PER_SEC;
        Record *r = fresh(w);
        int enabled = -1;
        arm(w, r);
        scratch_write(w->scratch, "change", "");
        run_until(w->event, r->volume.state == VOLUME_SETTLING);
        assert_true(sd_event_source_get_enabled(r->watch_source, &enabled) >= 0);
        assert_int_equal(enabled, SD_EVENT_OFF);
        uint64_t first = r->volume.last_change;
        scratch_write(w->scratch, "another", "");
        run_until(w->event, r->volume.last_change > first || r->volume.state != VOLUME_SETTLING);
        assert_int_equal(r->volume.state, VOLUME_SETTLING);
        run_until(w->event, volume_wants_scan(&r->volume));
        assert_true(sd_event_source_get_enabled(r->watch_source, &enabled) >= 0);
        assert_int_equal(enabled, SD_EVENT_ON);
}

/* It was found to be gone when the mount table was read. */
static void go(void *userdata, bool anyway) {
        World *w = userdata;
        w->looked++;
        Record *r = roster_next(&w->volumes, NULL);
        if (r) {
                roster_take(&w->volumes, r);
                record_free(r);
        }
}

static void a_volume_removed_while_settling_is_not_accessed(void **state) {
        World *w = *state;
        Record *r = fresh(w);
        w->driver.look_afresh = go;
        driver_feed(&w->driver, r, VOLUME_CHANGED);
        run_until(w->event, w->looked > 0);
        assert_null(roster_next(&w->volumes, NULL));
}

static void events_queued_before_a_scan_are_not_changes(void **state) {
        World *w = *state;
        Record *r = fresh(w);
        arm(w, r);
        driver_feed(&w->driver, r, VOLUME_SCAN_WANTED);
        scratch_write(w->scratch, "change", "");
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        await_rest(w, r);
        assert_int_equal(r->volume.state, VOLUME_FRESH);
}

static void a_volume_without_a_watch_is_scanned_on_a_timer(void **state) {
        World *w = *state;
        inotify_error = EMFILE;
        Record *r = fresh(w);
        assert_null(r->watch);
        assert_true(r->volume.unwatched);
        assert_true(r->volume.timer < now_usec() + w->driver.config.unwatched + 1);
        assert_int_equal(calls_of(w, "inotify"), 0);
        inotify_error = 0;
        scan(w, r, "exit 0");
        assert_non_null(r->watch);
        assert_false(r->volume.unwatched);
        assert_int_equal(r->volume.timer, USEC_INFINITY);
        assert_int_equal(calls_of(w, "inotify"), 1);
}

static void a_watch_that_fails_for_another_reason_is_logged(void **state) {
        World *w = *state;
        Record *r = appeared(w);
        journal_begin(LOG_ERR);
        inotify_error = ENOMEM;
        scan(w, r, "exit 0");
        assert_said("3 sda2: Failed to watch: Cannot allocate memory\n");
        assert_true(r->volume.unwatched);
        inotify_error = EMFILE; /* which is told with the advice to raise the limit */
        scan(w, r, "exit 0");
        assert_said("");
        inotify_error = 0;
}

static void scan_and_build_that_do_not_respond_hang_until_they_do(void **state) {
        World *w = *state;
        w->driver.config.scan_timeout = w->driver.config.build_timeout = 30 * USEC_PER_MSEC;
        Record *r = appeared(w);
        program_does(w, "scan", "exec sleep 1000");
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        run_until(w->event, r->volume.state == VOLUME_HUNG);
        assert_int_equal(kill(-job_get_pid(r->scan.job), SIGKILL), 0);
        await_rest(w, r);
        w->driver.config.scan_timeout = 1000 * USEC_PER_SEC;
        scan(w, r, "exit 1");
        program_does(w, "build",
                     "while [ ! -e go ]; do sleep 0.01; done; echo PROGRESS 1 2; exec sleep 1000");
        driver_feed(&w->driver, r, VOLUME_BUILD_SLOT);
        run_until(w->event, r->volume.state == VOLUME_HUNG);
        w->driver.config.build_timeout = 1000 * USEC_PER_SEC;
        scratch_write(w->scratch, "go", "");
        run_until(w->event, r->volume.state == VOLUME_BUILDING);
        assert_int_equal(r->build.report->progress_of, 2);
        assert_true(r->volume.timer > now_usec() + 900 * USEC_PER_SEC);
}

/* It may print without end. */
static void sign_of_life_counts_once_a_second(void **state) {
        World *w = *state;
        Record *r = stale(w);
        program_does(w, "build", "echo PROGRESS 1 2; exec sleep 1000");
        driver_feed(&w->driver, r, VOLUME_BUILD_SLOT);
        uint64_t timer = r->volume.timer;
        run_until(w->event, r->build.report->progress_done == 1);
        if (now_usec() + w->driver.config.build_timeout < timer + USEC_PER_SEC) /* unless that took so long */
                assert_int_equal(r->volume.timer, timer);
        assert_int_equal(kill(-job_get_pid(r->build.job), SIGKILL), 0);
        await_rest(w, r);
        scan(w, r, "exit 1");
        program_does(w, "build",
                     "while [ ! -e go ]; do sleep 0.01; done; echo PROGRESS 1 2; exec sleep 1000");
        w->driver.config.build_timeout -= USEC_PER_SEC; /* as if it had begun a second earlier */
        driver_feed(&w->driver, r, VOLUME_BUILD_SLOT);
        timer = r->volume.timer;
        w->driver.config.build_timeout += USEC_PER_SEC;
        scratch_write(w->scratch, "go", "");
        run_until(w->event, r->build.report->progress_done == 1);
        assert_true(r->volume.timer >= timer + USEC_PER_SEC);
}

/* It only ends that the volume counts as hung. */
static void build_that_does_nothing_gives_no_sign_of_life(void **state) {
        World *w = *state;
        Record *r = stale(w);
        w->driver.config.build_timeout = 30 * USEC_PER_MSEC;
        program_does(w, "build",
                     "while [ ! -e go ]; do sleep 0.01; done; echo IDLE builder pack; "
                     "while [ ! -e on ]; do sleep 0.01; done; echo PROGRESS 1 2; exec sleep 1000");
        driver_feed(&w->driver, r, VOLUME_BUILD_SLOT);
        assert_true(r->sign_of_life > 1);
        run_until(w->event, r->volume.state == VOLUME_HUNG);
        w->driver.config.build_timeout = 1000 * USEC_PER_SEC;
        r->sign_of_life = 1;
        scratch_write(w->scratch, "go", "");
        run_until(w->event, r->volume.state == VOLUME_BUILDING);
        assert_int_equal(r->sign_of_life, 1);
        scratch_write(w->scratch, "on", "");
        run_until(w->event, r->build.report->progress_of == 2);
        assert_true(r->sign_of_life > 1);
        r->sign_of_life = 1;
        assert_int_equal(kill(-job_get_pid(r->build.job), SIGKILL), 0);
        await_rest(w, r);
        assert_true(r->sign_of_life > 1); /* it has ended */
}

/* A tmpfs below the scratch folder, where it is mounted with the ID in *RET. */
static char *mount_tmpfs(World *w, uint64_t *ret) {
        struct statx stx;
        char *place = outer_path(w->scratch, "m");
        scratch_unshare(w->scratch);
        shell("mkdir -p %s && mount -t tmpfs none %s", place, place);
        assert_int_equal(statx(AT_FDCWD, place, 0, STATX_MNT_ID, &stx), 0);
        *ret = stx.stx_mnt_id;
        return place;
}

static void busy_volume_is_held_and_an_idle_one_is_not(void **state) {
        World *w = *state;
        uint64_t id = 0;
        if (geteuid() != 0)
                skip();
        _cleanup_free_ char *place = mount_tmpfs(w, &id);
        Record *r = fresh(w);
        MountEntry mounted = entry(id, place);
        assert_int_equal(record_drop_mount(r, 7), 1);
        assert_int_equal(record_set_mount(r, &mounted), 0);
        w->driver.pin_busy_volumes = true;
        assert_true(free_and_strdup(&r->reason, "told") >= 0);
        driver_mount_changed(&w->driver, r);
        assert_string_equal(r->reason, ""); /* it is told anew */
        assert_true(r->pin < 0);
        assert_int_equal(r->pinned, 0);
        driver_feed(&w->driver, r, VOLUME_CHANGED);
        assert_true(r->pin >= 0);
        assert_int_equal(r->pinned, id);
        assert_int_equal(umount2(place, 0), -1);
        assert_int_equal(errno, EBUSY);
        r->unpinned_until = now_usec() + 1000 * USEC_PER_SEC; /* somebody prepares to unmount it */
        driver_mount_changed(&w->driver, r);
        assert_true(r->pin < 0);
        r->unpinned_until = 0;
        driver_mount_changed(&w->driver, r);
        assert_true(r->pin >= 0);
        w->driver.pin_busy_volumes = false;
        driver_mount_changed(&w->driver, r);
        assert_true(r->pin < 0);
        assert_int_equal(umount2(place, 0), 0);
}

static void mount_that_is_used_is_the_one_that_is_held(void **state) {
        World *w = *state;
        uint64_t id = 0;
        if (geteuid() != 0)
                skip();
        _cleanup_free_ char *place = mount_tmpfs(w, &id);
        Record *r = fresh(w);
        MountEntry mounted = entry(id, place), other = entry(id + 100000, place);
        w->driver.pin_busy_volumes = true;
        driver_feed(&w->driver, r, VOLUME_CHANGED);
        assert_true(r->pin < 0); /* /mnt is another mount */
        assert_int_equal(record_drop_mount(r, 7), 1);
        assert_int_equal(record_set_mount(r, &mounted), 0);
        driver_set_lock(&w->driver, r, VOLUME_LOCK_CLIENT);
        assert_true(r->pin >= 0);
        int held = r->pin;
        driver_mount_changed(&w->driver, r);
        assert_int_equal(r->pin, held);
        assert_int_equal(record_drop_mount(r, id), 1);
        assert_int_equal(record_set_mount(r, &other), 0);
        driver_mount_changed(&w->driver, r);
        assert_true(r->pin < 0);
        assert_int_equal(umount2(place, 0), 0);
}

static void lock_moves_the_machine_and_a_hold_is_told_once(void **state) {
        World *w = *state;
        Record *r = stale(w);
        w->moved = 0;
        driver_set_lock(&w->driver, r, VOLUME_LOCK_CLIENT);
        assert_true(r->volume.locked);
        assert_int_equal(w->moved, 1);
        driver_set_lock(&w->driver, r, VOLUME_LOCK_NONE);
        driver_set_hold(&w->driver, r, VOLUME_HOLD_PACKAGES, true);
        assert_true(r->volume.holds & VOLUME_HOLD_PACKAGES);
        assert_non_null(strstr(r->reason, "package manager"));
        assert_true(free_and_strdup(&r->reason, "told") >= 0);
        driver_set_hold(&w->driver, r, VOLUME_HOLD_PACKAGES, true);
        assert_string_equal(r->reason, "told");
        driver_set_hold(&w->driver, r, VOLUME_HOLD_PACKAGES, false);
        assert_int_equal(r->volume.holds, 0);
        assert_null(strstr(r->reason, "package manager"));
}

static void a_hurry_waits_for_a_scan_that_begins_later(void **state) {
        World *w = *state;
        Record *r = fresh(w);
        assert_true(driver_has_looked(r));
        r->left_alone_until = USEC_INFINITY;
        driver_hurry(&w->driver, r);
        assert_int_equal(r->left_alone_until, 0);
        assert_true(volume_wants_scan(&r->volume));
        assert_false(driver_has_looked(r));
        program_does(w, "scan", "exec sleep 1000");
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        assert_false(driver_has_looked(r));
        driver_hurry(&w->driver, r); /* which began too early for that */
        assert_int_equal(r->look_target, 3);
        program_does(w, "scan", "exit 0");
        assert_int_equal(kill(-job_get_pid(r->scan.job), SIGKILL), 0);
        run_until(w->event, volume_wants_scan(&r->volume));
        assert_false(driver_has_looked(r));
        scan(w, r, "exit 0");
        assert_true(driver_has_looked(r));
}

static void a_hurry_does_not_wait_for_a_hung_scan(void **state) {
        World *w = *state;
        Record *r = appeared(w);
        w->driver.config.scan_timeout = 10 * USEC_PER_MSEC;
        program_does(w, "scan", "exec sleep 1000");
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        run_until(w->event, r->volume.state == VOLUME_HUNG);
        driver_hurry(&w->driver, r);
        assert_int_equal(r->look_target, 1); /* when it goes on after all */
        assert_true(driver_has_looked(r));
}

/* With a bus, and a client that waits. */
typedef struct Called {
        World *world;
        DaemonBus *bus;
        Record *record;
        Waiters waiters;
        Reply reply;
} Called;

static int called_setup(void **state) {
        Called *c = calloc(1, sizeof(*c));
        assert_non_null(c);
        assert_int_equal(world_setup((void **) &c->world), 0);
        assert_int_equal(daemon_bus_setup((void **) &c->bus), 0);
        c->world->driver.news.bus = c->bus->bus;
        c->record = appeared(c->world);
        *state = c;
        return 0;
}

static int called_teardown(void **state) {
        Called *c = *state;
        waiters_drop_all(&c->waiters);
        int r = world_teardown((void **) &c->world);
        if (daemon_bus_teardown((void **) &c->bus) < 0)
                r = -1;
        free(c);
        return r;
}

static void call(Called *c, WaitFor what, const char *method) {
        static const Peer peer = {.id = 1};
        BusCall *m = daemon_bus_call(c->bus, method, &c->reply);
        assert_int_equal(pending_add(&c->waiters, c->record, what, &(Caller){&peer, m}), 0);
        sd_bus_message_unref(m);
}

static void assert_reply(Called *c, const char *expected) {
        daemon_bus_hears(c->bus, NULL);
        assert_string_equal(c->reply.text, expected);
}

static void scan_is_answered_by_one_that_began_after_the_call(void **state) {
        Called *c = *state;
        World *w = c->world;
        Record *r = c->record;
        program_does(w, "scan", "while [ ! -e go ]; do sleep 0.01; done; exit 1");
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        call(c, WAIT_FOR_SCAN, "Scan");
        driver_feed(&w->driver, r, VOLUME_SCAN_WANTED);
        program_does(w, "scan", "exit 0");
        scratch_write(w->scratch, "go", "");
        await_rest(w, r);
        assert_reply(c, "");
        scan(w, r, "exit 0");
        assert_reply(c, "fresh");
}

/* Whatever settles by then. */
static void scan_is_answered_with_its_verdict(void **state) {
        Called *c = *state;
        World *w = c->world;
        call(c, WAIT_FOR_SCAN, "Scan");
        program_does(w, "scan", "exit 0");
        driver_feed(&w->driver, c->record, VOLUME_SCAN_SLOT);
        driver_feed(&w->driver, c->record, VOLUME_CHANGED);
        await_rest(w, c->record);
        assert_int_equal(c->record->volume.state, VOLUME_SETTLING);
        assert_reply(c, "fresh");
}

static void a_rebuild_is_answered_once_it_is_built_or_nothing_is_stale(void **state) {
        Called *c = *state;
        World *w = c->world;
        call(c, WAIT_FOR_BUILD, "Rebuild");
        scan(w, c->record, "exit 1");
        assert_reply(c, ""); /* a build is to come */
        build(w, c->record, "exit 0");
        assert_reply(c, "done");
        call(c, WAIT_FOR_BUILD, "Rebuild");
        scan(w, c->record, "exit 0");
        assert_reply(c, "done");
}

static void a_failed_rebuild_is_answered_with_an_error(void **state) {
        Called *c = *state;
        World *w = c->world;
        call(c, WAIT_FOR_BUILD, "Rebuild");
        scan(w, c->record, "exit 1");
        build(w, c->record, "echo RESULT locked; exit 75"); /* what was asked for is yet to be done */
        assert_reply(c, "");
        scan(w, c->record, "exit 1");
        build(w, c->record, "exit 3");
        assert_reply(c, BOOTKEEP_ERROR_BUILD_FAILED);
        call(c, WAIT_FOR_BUILD, "Rebuild");
        driver_feed(&w->driver, c->record, VOLUME_BUILD_WANTED);
        scan(w, c->record, "exit 1");
        remove_program(w, "bootkeep-build");
        driver_feed(&w->driver, c->record, VOLUME_BUILD_SLOT);
        assert_reply(c, BOOTKEEP_ERROR_BUILD_FAILED);
}

static void reports_of_children_are_signalled_on_the_bus(void **state) {
        Called *c = *state;
        World *w = c->world;
        scan(w, c->record, "exit 1");
        daemon_bus_ask(c->bus);
        assert_non_null(strstr(c->bus->heard, "PropertiesChanged sda2 Caches Learned Helpers\n"));
        daemon_bus_hears(c->bus, NULL);
        program_does(
                w, "build",
                "echo PROGRESS 1 2; while [ ! -e go ]; do sleep 0.01; done; echo NOTE x; exec sleep 1000");
        driver_feed(&w->driver, c->record, VOLUME_BUILD_SLOT);
        run_until(w->event, c->record->build.report->progress_done == 1);
        daemon_bus_ask(c->bus);
        assert_non_null(strstr(c->bus->heard, "PropertiesChanged sda2 LastBuildStart\n"));
        assert_non_null(strstr(c->bus->heard, "PropertiesChanged sda2 Progress\n"));
        daemon_bus_hears(c->bus, NULL);
        scratch_write(w->scratch, "go", "");
        run_until(w->event, c->record->build.report->notes);
        daemon_bus_hears(c->bus, ""); /* it is as far as it was */
}

#define called_test(f) cmocka_unit_test_setup_teardown(f, called_setup, called_teardown)

/* Builds in units */

/* As begun by an earlier daemon; returns its process. */
static pid_t begun_earlier(World *w, const char *report) {
        UnitJob *u = NULL;
        w->driver.launch.units = outer_path(w->scratch, "builds");
        assert_int_equal(
                launch_build_in_unit(&w->driver.launch, &(LaunchBuild){"sda1", "/mnt", 7, false}, &u), 0);
        unitjob_free(u);
        char *folder = outer_path(w->scratch, "builds/sda1");
        pid_t pid = unit_build_begin(folder, report);
        free(folder);
        return pid;
}

static void end_unit(World *w, pid_t pid, const char *end) {
        char *folder = outer_path(w->scratch, "builds/sda1");
        unit_build_end(folder, pid, end);
        free(folder);
}

static Record *adopted(World *w) {
        Record *r = world_add(w, "sda1", "/mnt");
        assert_true(driver_find_build(&w->driver, r));
        driver_feed(&w->driver, r, VOLUME_APPEARED);
        driver_feed(&w->driver, r, VOLUME_BUILD_ADOPTED);
        return r;
}

static void free_units(World *w) {
        free((char *) (uintptr_t) w->driver.launch.units);
        free(w->driver.no_units);
}

static void build_of_an_earlier_daemon_counts_as_ours(void **state) {
        World *w = *state;
        pid_t pid = begun_earlier(w, "LOCKED :1.5\nPROGRESS 3 5\n");
        Record *r = adopted(w);
        assert_int_equal(r->volume.state, VOLUME_BUILDING);
        assert_int_equal(r->build_pid, pid);
        assert_string_equal(r->build.report->client, ":1.5");
        assert_int_equal(r->build.report->progress_done, 3);
        assert_int_equal(r->builds, 1);
        assert_true(driver_is_build(r, pid));
        assert_false(driver_is_build(r, getpid()));
        end_unit(w, pid, "exit-code exited 1\n");
        await_rest(w, r);
        assert_int_equal(r->volume.failures, 1);
        assert_int_equal(r->last_build_status, 1);
        assert_string_equal(r->problem, "bootkeep-build exited with status 1");
        assert_true(volume_wants_scan(&r->volume));
        assert_true(driver_is_build(r, pid)); /* the bus may be late to say that it is gone */
        assert_int_equal(calls_of(w, "build"), 0);
        free_units(w);
}

static void build_that_ended_without_a_daemon_is_concluded(void **state) {
        World *w = *state;
        pid_t pid = begun_earlier(w, "RESULT success\n");
        end_unit(w, pid, "success exited 0\n");
        Record *r = adopted(w);
        await_rest(w, r);
        assert_int_equal(r->volume.failures, 0);
        assert_int_equal(r->last_build_status, 0);
        assert_true(r->last_build_end > 0);
        scan(w, r, "exit 0");
        assert_int_equal(r->volume.state, VOLUME_FRESH);
        assert_false(driver_find_build(&w->driver, r)); /* once */
        free_units(w);
}

static void memory_that_ran_out_is_named(void **state) {
        World *w = *state;
        pid_t pid = begun_earlier(w, "");
        Record *r = adopted(w);
        end_unit(w, pid, "oom-kill killed KILL\n");
        await_rest(w, r);
        assert_contains(r->problem, "bootkeep-build was killed because it, or a builder, ran out of memory");
        assert_string_equal(r->failure, r->problem);
        free_units(w);
}

static void build_that_vanished_is_found_out(void **state) {
        World *w = *state;
        w->driver.config.build_timeout = 50 * USEC_PER_MSEC;
        pid_t pid = begun_earlier(w, "");
        Record *r = adopted(w);
        end_unit(w, pid, NULL);
        await_rest(w, r);
        assert_int_equal(r->volume.failures, 1);
        assert_contains(r->problem, "nobody said how");
        free_units(w);
}

static void without_systemd_builds_are_children_and_that_is_said_once(void **state) {
        World *w = *state;
        w->driver.launch.units = outer_path(w->scratch, "builds");
        Record *r = stale(w);
        journal_begin(LOG_NOTICE);
        build(w, r, "exit 1");
        scan(w, r, "echo SOURCES cc; exit 1");
        build(w, r, "exit 0");
        const char *first = strstr(journal.text, "children of bootkeepd");
        assert_non_null(first);
        assert_null(strstr(first + 1, "children of bootkeepd"));
        assert_int_equal(calls_of(w, "build --no-wait"), 2);
        assert_int_equal(r->last_build_status, 0);
        free_units(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(scan_runs_with_its_slot_and_its_end_is_taken),
                world_test(each_status_of_a_scan_has_its_state),
                world_test(output_larger_than_a_pipe_is_read),
                world_test(scan_that_prints_nonsense_is_ended),
                world_test(stale_volume_is_built_and_scanned_again),
                world_test(what_is_stale_after_a_build_counts_by_its_sources),
                world_test(sources_that_are_not_known_may_have_changed),
                world_test(a_failed_build_has_a_reason_and_is_retried_later),
                world_test(build_that_was_put_off_is_no_failure),
                world_test(build_that_was_locked_out_is_asked_for_again),
                world_test(a_child_that_cannot_be_started_has_failed),
                world_test(nothing_is_started_while_stopping),
                world_test(a_scan_stopped_at_exit_is_not_reported),
                world_test(a_build_stopped_at_exit_is_reported_only_if_it_succeeded),
                world_test(a_change_settles_and_is_scanned),
                world_test(a_change_while_settling_prolongs_it),
                world_test(a_volume_removed_while_settling_is_not_accessed),
                world_test(events_queued_before_a_scan_are_not_changes),
                world_test(a_volume_without_a_watch_is_scanned_on_a_timer),
                world_test(a_watch_that_fails_for_another_reason_is_logged),
                world_test(scan_and_build_that_do_not_respond_hang_until_they_do),
                world_test(sign_of_life_counts_once_a_second),
                world_test(build_that_does_nothing_gives_no_sign_of_life),
                world_test(busy_volume_is_held_and_an_idle_one_is_not),
                world_test(mount_that_is_used_is_the_one_that_is_held),
                world_test(lock_moves_the_machine_and_a_hold_is_told_once),
                world_test(a_hurry_waits_for_a_scan_that_begins_later),
                world_test(a_hurry_does_not_wait_for_a_hung_scan),
                called_test(scan_is_answered_by_one_that_began_after_the_call),
                called_test(scan_is_answered_with_its_verdict),
                called_test(a_rebuild_is_answered_once_it_is_built_or_nothing_is_stale),
                called_test(a_failed_rebuild_is_answered_with_an_error),
                called_test(reports_of_children_are_signalled_on_the_bus),
                world_test(build_of_an_earlier_daemon_counts_as_ours),
                world_test(build_that_ended_without_a_daemon_is_concluded),
                world_test(memory_that_ran_out_is_named),
                world_test(build_that_vanished_is_found_out),
                world_test(without_systemd_builds_are_children_and_that_is_said_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
