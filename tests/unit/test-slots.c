/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/slots.h"

#include <sys/file.h>

#include "driverworld.h"
#include "journal.h"

/* Settings and slots on top of a driver. */
typedef struct Shared {
        World *world;
        Settings settings;
        Slots slots;
} Shared;

static int setup(void **state) {
        Shared *s = calloc(1, sizeof(*s));
        assert_non_null(s);
        assert_int_equal(world_setup((void **) &s->world), 0);
        s->settings = (Settings){.settle = 5 * USEC_PER_SEC, .max_scans = 2, .max_builds = 1};
        slots_init(&s->slots, &s->world->driver, &s->settings);
        *state = s;
        journal_begin(LOG_INFO);
        return 0;
}

static int teardown(void **state) {
        Shared *s = *state;
        slots_deinit(&s->slots);
        assert_null(s->slots.driver);
        int r = world_teardown((void **) &s->world);
        free(s);
        return r;
}

#define slots_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static Record *appear(Shared *s, const char *name) {
        Record *r = world_add(s->world, name, "/mnt");
        driver_feed(&s->world->driver, r, VOLUME_APPEARED);
        return r;
}

static unsigned running(const Shared *s) {
        unsigned n = 0;
        for (const Record *r = roster_next(&s->world->volumes, NULL); r;
             r = roster_next(&s->world->volumes, r))
                n += (r->scan.job != NULL) + (r->build.job != NULL);
        return n;
}

/* When the timer is due; USEC_INFINITY: it is off. */
static uint64_t due(sd_event_source *timer) {
        uint64_t when = 0;
        int enabled = SD_EVENT_OFF;
        if (timer)
                assert_true(sd_event_source_get_enabled(timer, &enabled) >= 0);
        if (enabled == SD_EVENT_OFF)
                return USEC_INFINITY;
        assert_true(sd_event_source_get_time(timer, &when) >= 0);
        return when;
}

/* It was set a second ahead at some time since BEGAN. */
static void assert_due_a_second_after(sd_event_source *timer, uint64_t began) {
        uint64_t when = due(timer);
        assert_true(when >= began + USEC_PER_SEC);
        assert_true(when <= now_usec() + USEC_PER_SEC);
}

static void max_scans_limits_the_scans_that_run(void **state) {
        Shared *s = *state;
        World *w = s->world;
        static const char *const names[] = {"a", "b", "c", "d", "e"};
        program_does(w, "scan", "while [ ! -e go ]; do sleep 0.01; done; exit 0");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                appear(s, names[i]);
        slots_settle(&s->slots);
        assert_int_equal(roster_scans(&w->volumes), 2);
        assert_int_equal(running(s), 2);
        slots_settle(&s->slots); /* none is free */
        assert_int_equal(running(s), 2);
        scratch_write(w->scratch, "go", "");
        run_until(w->event, running(s) == 0);
        slots_settle(&s->slots);
        assert_int_equal(running(s), 2);
        run_until(w->event, running(s) == 0);
        slots_settle(&s->slots);
        assert_int_equal(running(s), 1);
        run_until(w->event, running(s) == 0);
        assert_int_equal(calls_of(w, "scan "), 5);
}

static void max_builds_limits_the_builds_that_run(void **state) {
        Shared *s = *state;
        World *w = s->world;
        program_does(w, "scan", "exit 1");
        program_does(w, "build", "exec sleep 1000");
        appear(s, "a");
        appear(s, "b");
        appear(s, "c");
        s->settings.max_scans = 3;
        slots_settle(&s->slots);
        run_until(w->event, running(s) == 0);
        slots_settle(&s->slots);
        assert_int_equal(roster_builds(&w->volumes), 1);
        s->settings.max_builds = 2;
        slots_settle(&s->slots);
        assert_int_equal(roster_builds(&w->volumes), 2);
        assert_int_equal(running(s), 2);
}

static void a_build_that_hangs_keeps_nobody_waiting_when_the_system_goes_down(void **state) {
        Shared *s = *state;
        World *w = s->world;
        program_does(w, "scan", "exit 1");
        program_does(w, "build", "exec sleep 1000");
        appear(s, "a");
        appear(s, "b");
        slots_settle(&s->slots);
        run_until(w->event, running(s) == 0);
        slots_settle(&s->slots);
        assert_int_equal(roster_builds(&w->volumes), 1);
        slots_set_last_chance(&s->slots, true);
        slots_settle(&s->slots);
        assert_int_equal(roster_builds(&w->volumes), 2);
        assert_int_equal(running(s), 2);
}

static void what_was_just_mounted_waits_a_second_at_most(void **state) {
        Shared *s = *state;
        World *w = s->world;
        Record *first = appear(s, "at start"), *r;
        slots_leave_alone(&s->slots, first);
        assert_int_equal(first->left_alone_until, 0); /* it was there before us */
        slots_settle(&s->slots);
        assert_non_null(first->scan.job);
        assert_int_equal(due(s->slots.scan_timer), USEC_INFINITY);
        r = appear(s, "later");
        uint64_t began = now_usec();
        slots_leave_alone(&s->slots, r);
        slots_settle(&s->slots);
        assert_null(r->scan.job);
        assert_due_a_second_after(s->slots.scan_timer, began);
        assert_int_equal(due(s->slots.scan_timer), r->left_alone_until);
        s->settings.settle = 30 * USEC_PER_MSEC; /* whoever sets less than that does not wait longer */
        slots_leave_alone(&s->slots, r);
        assert_true(r->left_alone_until <= now_usec() + s->settings.settle);
        slots_settle(&s->slots);
        w->moved = 0;
        run_until(w->event, w->moved > 0 && now_usec() >= r->left_alone_until);
        slots_settle(&s->slots);
        assert_non_null(r->scan.job);
}

static void nothing_is_built_shortly_after_boot(void **state) {
        Shared *s = *state;
        World *w = s->world;
        s->settings.boot_delay = now_usec() + USEC_PER_SEC;
        assert_int_equal(slots_apply_settings(&s->slots), 0);
        Record *r = appear(s, "sda2");
        slots_hold_new(&s->slots, r);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_BOOT);
        assert_int_equal(due(s->slots.boot_timer), s->settings.boot_delay);
        w->moved = 0;
        run_until(w->event, r->volume.holds == 0);
        assert_true(now_usec() >= s->settings.boot_delay);
        assert_int_equal(w->moved, 1);
        slots_hold_new(&s->slots, r);
        assert_int_equal(r->volume.holds, 0);
}

static void new_settings_apply_to_all_volumes(void **state) {
        Shared *s = *state;
        Record *all[] = {appear(s, "a"), appear(s, "b")};
        s->settings.boot_delay = USEC_INFINITY - 1;
        assert_true(slots_apply_settings(&s->slots) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                assert_int_equal(all[i]->volume.holds, VOLUME_HOLD_BOOT);
        s->settings.boot_delay = 0;
        assert_true(slots_apply_settings(&s->slots) >= 0);
        assert_int_equal(due(s->slots.boot_timer), USEC_INFINITY);
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                assert_int_equal(all[i]->volume.holds, 0);
}

static void unreadable_settings_hold_all_volumes(void **state) {
        Shared *s = *state;
        Record *r = appear(s, "sda2"), *later;
        s->settings.unread = (char *) "bootkeep.conf:3 cannot be read";
        assert_true(slots_apply_settings(&s->slots) >= 0);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_BLOCKED);
        assert_string_equal(r->unread, "bootkeep.conf:3 cannot be read");
        assert_string_equal(r->reason, "held back: bootkeep.conf:3 cannot be read"); /* at once */
        later = appear(s, "sdb2");
        slots_hold_new(&s->slots, later);
        assert_int_equal(later->volume.holds, VOLUME_HOLD_BLOCKED);
        s->settings.unread = NULL;
        assert_true(slots_apply_settings(&s->slots) >= 0);
        assert_int_equal(r->volume.holds | later->volume.holds, 0);
        assert_null(r->unread);
        assert_string_equal(r->reason, "");
}

static void without_a_bus_what_only_systemd_builds_is_blocked(void **state) {
        Shared *s = *state;
        World *w = s->world;
        program_does(w, "scan", "echo CACHE c - stale /x new; exit 1");
        Record *r = appear(s, "sda2");
        w->driver.launch.apart = true;
        assert_true(slots_apply_settings(&s->slots) >= 0);
        slots_settle(&s->slots);
        run_until(w->event, running(s) == 0);
        slots_settle(&s->slots);
        assert_int_equal(r->volume.state, VOLUME_STALE);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_BLOCKED);
        assert_string_equal(r->reason, "cache c: /x is new; held back: not connected to the system bus, so "
                                       "systemd cannot be told to build");
        assert_int_equal(r->volume.attempts, 0);
        slots_set_connected(&s->slots, true);
        assert_int_equal(r->volume.holds, 0);
        assert_string_equal(r->reason, "cache c: /x is new");
        slots_set_connected(&s->slots, false);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_BLOCKED);
        w->driver.launch.apart = false; /* a daemon that can build does */
        slots_set_connected(&s->slots, false);
        assert_int_equal(r->volume.holds, 0);
}

static void with_a_bus_a_scan_that_failed_without_it_is_tried_again(void **state) {
        Shared *s = *state;
        World *w = s->world;
        Record *r = appear(s, "sda2");
        w->driver.launch.apart = true;
        w->driver.config.max_failures = 1;
        program_does(w, "scan", "exit 9");
        slots_set_connected(&s->slots, false);
        slots_settle(&s->slots);
        run_until(w->event, running(s) == 0);
        assert_int_equal(r->volume.state, VOLUME_GIVEN_UP);
        slots_set_connected(&s->slots, false);
        assert_int_equal(r->volume.state, VOLUME_GIVEN_UP);
        slots_set_connected(&s->slots, true);
        assert_int_equal(r->volume.state, VOLUME_SCANNING);
}

/* A volume that is stale, and whose scan found this lock file (of the scratch folder). */
static Record *stale_with(Shared *s, const char *name, const char *file, const char *kind) {
        World *w = s->world;
        char script[256];
        struct stat st;
        scratch_write(w->scratch, file, "");
        assert_int_equal(fstatat(w->scratch->fd, file, &st, 0), 0);
        (void) snprintf(script, sizeof(script), "echo HOLD /%s %x:%x:%llu %s; exit 1", file, major(st.st_dev),
                        minor(st.st_dev), (unsigned long long) st.st_ino, kind);
        Record *r = appear(s, name);
        program_does(w, "scan", script);
        driver_feed(&w->driver, r, VOLUME_SCAN_SLOT);
        run_until(w->event, !r->scan.job);
        assert_int_equal(r->volume.state, VOLUME_STALE);
        return r;
}

static int lock_file(const Shared *s, const char *name) {
        int fd = openat(s->world->scratch->fd, name, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        return fd;
}

static void a_package_manager_at_work_holds_builds_and_is_checked_again(void **state) {
        Shared *s = *state;
        Record *r = stale_with(s, "sda2", "lock", "locked");
        int fd = lock_file(s, "lock");
        uint64_t began = now_usec();
        journal_begin(LOG_INFO);
        s->settings.max_builds = 0;
        s->settings.settle = 0;
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_PACKAGES);
        assert_said("6 Builds are held back: /lock is locked\n");
        assert_due_a_second_after(s->slots.hold_timer, began);
        slots_settle(&s->slots);
        assert_said("");
        s->world->moved = 0;
        run_until(s->world->event, s->world->moved > 0); /* after that second */
        close(fd);
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, 0);
        assert_said("6 Builds are no longer held back\n");
        assert_int_equal(due(s->slots.hold_timer), USEC_INFINITY);
        slots_settle(&s->slots);
        assert_said("");
}

/* One run of dpkg after the other: they are not done in between. */
static void a_lock_counts_until_it_was_free_for_as_long_as_changes_settle(void **state) {
        Shared *s = *state;
        Record *r = stale_with(s, "sda2", "lock", "locked");
        int fd = lock_file(s, "lock");
        s->settings.max_builds = 0;
        s->settings.settle = 1000 * USEC_PER_SEC;
        journal_begin(LOG_INFO);
        slots_settle(&s->slots);
        assert_said("6 Builds are held back: /lock is locked\n");
        for (unsigned i = 0; i < 3; i++) {
                close(fd);
                uint64_t began = now_usec();
                slots_settle(&s->slots);
                assert_int_equal(r->volume.holds, VOLUME_HOLD_PACKAGES);
                assert_true(r->unheld_since >= began && r->unheld_since <= now_usec());
                assert_int_equal(due(s->slots.hold_timer), r->unheld_since + s->settings.settle);
                slots_settle(&s->slots); /* the time does not begin again */
                assert_int_equal(due(s->slots.hold_timer), r->unheld_since + s->settings.settle);
                fd = lock_file(s, "lock");
                slots_settle(&s->slots);
                assert_int_equal(r->unheld_since, 0);
                assert_said("");
        }
        close(fd);
        slots_settle(&s->slots);
        assert_said("");
        r->unheld_since -= s->settings.settle; /* that time has passed */
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, 0);
        assert_int_equal(r->unheld_since, 0);
        assert_int_equal(due(s->slots.hold_timer), USEC_INFINITY);
        assert_said("6 Builds are no longer held back\n");
}

static void those_in_a_hurry_wait_for_a_lock_but_not_longer(void **state) {
        Shared *s = *state;
        Record *r = stale_with(s, "sda2", "lock", "locked");
        int fd = lock_file(s, "lock");
        s->settings.max_builds = 0;
        slots_settle(&s->slots);
        driver_hurry(&s->world->driver, r);
        slots_settle(&s->slots);
        run_until(s->world->event, !r->scan.job);
        assert_int_equal(r->volume.state, VOLUME_STALE);
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_PACKAGES);
        close(fd);
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, 0);
}

/* If nothing waits any more while the package manager works on, nothing is said: it would not be true. */
static void that_nothing_waits_is_not_said_to_be_the_end_of_a_hold(void **state) {
        Shared *s = *state;
        Record *r = stale_with(s, "sda2", "lock", "locked");
        int fd = lock_file(s, "lock");
        slots_settle(&s->slots);
        journal_begin(LOG_INFO);
        r->volume.state = VOLUME_FRESH;
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, 0);
        assert_said("5 sda2: fresh\n");
        close(fd);
}

/* Its removal is a change, and is followed by a scan. */
static void an_existing_lock_file_holds_without_a_timer(void **state) {
        Shared *s = *state;
        Record *r = stale_with(s, "sda2", "db.lck", "exists");
        journal_begin(LOG_INFO);
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_PACKAGES);
        assert_said("6 Builds are held back: /db.lck exists\n");
        assert_int_equal(due(s->slots.hold_timer), USEC_INFINITY);
        assert_null(r->build.job);
}

static void volumes_are_held_by_their_own_lock_files(void **state) {
        Shared *s = *state;
        Record *one = stale_with(s, "one", "lock", "locked"), *same = stale_with(s, "same", "lock", "locked"),
               *free_one = stale_with(s, "free", "other", "locked"),
               *exists = stale_with(s, "exists", "db.lck", "exists"),
               *stranger = stale_with(s, "stranger", "lock", "locked");
        stranger->volume.trusted = false;
        stranger->volume.state = VOLUME_UNTRUSTED;
        int fd = lock_file(s, "lock");
        uint64_t began = now_usec();
        s->settings.max_builds = 0;
        s->settings.settle = 0;
        journal_begin(LOG_INFO);
        slots_settle(&s->slots);
        assert_int_equal(one->volume.holds, VOLUME_HOLD_PACKAGES);
        assert_int_equal(same->volume.holds, VOLUME_HOLD_PACKAGES);
        assert_int_equal(exists->volume.holds, VOLUME_HOLD_PACKAGES);
        assert_int_equal(free_one->volume.holds, 0);
        assert_int_equal(stranger->volume.holds, 0);
        assert_said("6 Builds are held back: /lock is locked\n6 Builds are held back: /db.lck exists\n");
        assert_due_a_second_after(s->slots.hold_timer, began);
        close(fd);
        slots_settle(&s->slots); /* one of two reasons is gone */
        assert_said("");
        assert_int_equal(one->volume.holds, 0);
        assert_int_equal(exists->volume.holds, VOLUME_HOLD_PACKAGES);
        fd = lock_file(s, "lock");
        slots_settle(&s->slots);
        assert_said("6 Builds are held back: /lock is locked\n");
        close(fd);
}

/* Nothing waits, so nobody looks; but a hold is not let go because what is held is scanned again. */
static void locks_are_not_checked_while_nothing_is_stale(void **state) {
        Shared *s = *state;
        Record *r = stale_with(s, "sda2", "lock", "locked");
        int fd = lock_file(s, "lock");
        uint64_t began = now_usec();
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_PACKAGES);
        r->volume.state = VOLUME_SETTLING;
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_PACKAGES);
        assert_due_a_second_after(s->slots.hold_timer, began);
        r->volume.state = VOLUME_FRESH;
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, 0);
        assert_int_equal(due(s->slots.hold_timer), USEC_INFINITY);
        r->volume.state = VOLUME_SETTLING; /* busy, but nothing was held */
        slots_settle(&s->slots);
        assert_int_equal(r->volume.holds, 0);
        assert_int_equal(due(s->slots.hold_timer), USEC_INFINITY);
        close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                slots_test(max_scans_limits_the_scans_that_run),
                slots_test(max_builds_limits_the_builds_that_run),
                slots_test(a_build_that_hangs_keeps_nobody_waiting_when_the_system_goes_down),
                slots_test(what_was_just_mounted_waits_a_second_at_most),
                slots_test(nothing_is_built_shortly_after_boot),
                slots_test(new_settings_apply_to_all_volumes),
                slots_test(unreadable_settings_hold_all_volumes),
                slots_test(without_a_bus_what_only_systemd_builds_is_blocked),
                slots_test(with_a_bus_a_scan_that_failed_without_it_is_tried_again),
                slots_test(a_package_manager_at_work_holds_builds_and_is_checked_again),
                slots_test(a_lock_counts_until_it_was_free_for_as_long_as_changes_settle),
                slots_test(those_in_a_hurry_wait_for_a_lock_but_not_longer),
                slots_test(that_nothing_waits_is_not_said_to_be_the_end_of_a_hold),
                slots_test(an_existing_lock_file_holds_without_a_timer),
                slots_test(volumes_are_held_by_their_own_lock_files),
                slots_test(locks_are_not_checked_while_nothing_is_stale),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
