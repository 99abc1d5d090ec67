/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state machine of a volume: how much, how long and how often exactly. */

/* tests: daemon/core/volume-state.c */

#include "volumestory.h"

/* V after a build that failed at NOW. */
static void fail_build(Volume *v, const VolumeConfig *c, uint64_t now) {
        event_at(v, c, VOLUME_SCAN_STALE, now);
        assert_int_equal(event_at(v, c, VOLUME_BUILD_SLOT, now), VOLUME_ACT_BUILD);
        assert_int_equal(event_at(v, c, VOLUME_BUILD_FAILURE, now), VOLUME_ACT_SCAN);
}

static Volume scanning_volume(void) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        (void) settle_to_scan(&v, 100);
        assert_int_equal(v.state, VOLUME_SCANNING);
        return v;
}

static Volume stale_volume(void) {
        Volume v = scanning_volume();
        at(&v, VOLUME_SCAN_STALE, 108);
        assert_int_equal(v.state, VOLUME_STALE);
        return v;
}

static Volume failed_volume(uint64_t now) {
        Volume v = scanning_volume();
        fail_build(&v, &config, now);
        at(&v, VOLUME_SCAN_STALE_AGAIN, now);
        assert_int_equal(v.state, VOLUME_FAILED);
        return v;
}

static Volume given_up_volume(void) {
        Volume v = scanning_volume();
        at(&v, VOLUME_SCAN_ERROR, 1000);
        for (unsigned failures = 1; failures < config.max_failures; failures++) {
                at(&v, VOLUME_SCAN_WANTED, 1000);
                at(&v, VOLUME_SCAN_ERROR, 1000);
        }
        assert_int_equal(v.state, VOLUME_GIVEN_UP);
        return v;
}

static void settling_is_checked_at_even_intervals(void **state) {
        Volume v = fresh_volume();
        static const uint64_t looks[] = {103, 106, 108};
        at(&v, VOLUME_CHANGED, 100);
        for (size_t i = 0; i < ELEMENTSOF(looks); i++) {
                assert_int_equal(v.timer, looks[i]);
                assert_int_equal(at(&v, VOLUME_TIMER, v.timer - 1), 0); /* too early */
                assert_int_equal(v.timer, looks[i]);
                assert_int_equal(volume_settled(&v, &config, v.timer), looks[i] == 108);
                assert_int_equal(at(&v, VOLUME_TIMER, v.timer), looks[i] == 108 ? VOLUME_ACT_SCAN : 0);
        }
        assert_false(volume_settled(&v, &config, 200));
        assert_true(volume_busy(&v));
        assert_int_equal(v.timer, 108 + config.scan_timeout);
}

static void retries_double_up_to_a_bound(void **state) {
        VolumeConfig c = config;
        c.max_failures = 20;
        c.max_attempts = 40;
        Volume v = scanning_volume();
        static const unsigned times[] = {1, 2, 4, 8, 16, 32, 64, 128, 128, 128};
        uint64_t now = 1000;
        for (size_t i = 0; i < ELEMENTSOF(times); i++) {
                event_at(&v, &c, VOLUME_SCAN_ERROR, now);
                assert_int_equal(v.state, VOLUME_FAILED);
                assert_int_equal(v.timer, now + times[i] * c.retry);
                now = v.timer;
                assert_int_equal(event_at(&v, &c, VOLUME_TIMER, now), VOLUME_ACT_SCAN);
                assert_true(volume_busy(&v));
        }
}

static void a_retry_that_is_never_does_not_come_at_once(void **state) {
        static const uint64_t never[] = {USEC_INFINITY, USEC_INFINITY / 2 + 1, UINT64_C(1) << 63};
        for (size_t i = 0; i < ELEMENTSOF(never); i++) {
                VolumeConfig c = config;
                c.retry = never[i];
                Volume v = scanning_volume();
                for (unsigned failures = 1; failures < c.max_failures; failures++) {
                        event_at(&v, &c, VOLUME_SCAN_ERROR, 1000);
                        event_at(&v, &c, VOLUME_SCAN_WANTED, 1000);
                }
                event_at(&v, &c, VOLUME_SCAN_STALE_AGAIN, 1000);
                assert_int_equal(v.state, VOLUME_FAILED);
                assert_int_equal(v.timer, USEC_INFINITY);
        }
}

static void what_changed_after_it_was_given_up_is_built_once(void **state) {
        Volume v = scanning_volume();
        uint64_t now = 1000;
        for (unsigned i = 0; i < config.max_attempts; i++) {
                at(&v, VOLUME_SCAN_STALE, now);
                at(&v, VOLUME_BUILD_SLOT, now);
                at(&v, VOLUME_BUILD_SUCCESS, now);
        }
        at(&v, VOLUME_SCAN_STALE, now);
        for (unsigned change = 0; change < 3; change++) {
                assert_int_equal(v.state, VOLUME_GIVEN_UP);
                at(&v, VOLUME_CHANGED, now);
                now = settle_to_scan(&v, now);
                at(&v, VOLUME_SCAN_STALE, now);
                assert_int_equal(at(&v, VOLUME_BUILD_SLOT, now), VOLUME_ACT_BUILD);
                assert_int_equal(v.attempts, config.max_attempts);
                at(&v, VOLUME_BUILD_SUCCESS, now);
                at(&v, VOLUME_SCAN_STALE, now);
                at(&v, VOLUME_SCAN_WANTED, now);
                at(&v, VOLUME_SCAN_STALE_AGAIN, now); /* which is not a change */
        }
}

static void what_was_given_up_early_keeps_its_count_of_builds(void **state) {
        Volume v = scanning_volume();
        for (unsigned i = 0; i < config.max_failures; i++)
                fail_build(&v, &config, 1000);
        at(&v, VOLUME_SCAN_STALE_AGAIN, 1000);
        assert_int_equal(v.state, VOLUME_GIVEN_UP);
        at(&v, VOLUME_CHANGED, 2000);
        at(&v, VOLUME_SCAN_STALE, settle_to_scan(&v, 2000));
        assert_int_equal(v.attempts, config.max_failures);
}

/* Nothing has changed since a build, but there was no build since it was fresh. */
static void what_was_never_tried_has_not_failed(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_SCAN_WANTED, 10);
        at(&v, VOLUME_SCAN_STALE_AGAIN, 11);
        assert_int_equal(v.failures, 0);
        assert_true(volume_wants_build(&v));
}

static void success_that_left_it_stale_is_a_failure_counted_once(void **state) {
        Volume v = stale_volume();
        at(&v, VOLUME_BUILD_SLOT, 110);
        at(&v, VOLUME_BUILD_SUCCESS, 120);
        assert_true(volume_busy(&v));
        assert_int_equal(v.failures, 0);
        at(&v, VOLUME_SCAN_STALE_AGAIN, 121);
        assert_int_equal(v.state, VOLUME_FAILED);
        assert_int_equal(v.failures, 1);
        assert_int_equal(v.timer, 121 + config.retry);
        at(&v, VOLUME_SCAN_WANTED, 122);
        at(&v, VOLUME_SCAN_STALE_AGAIN, 123); /* too early to retry, and nothing new failed */
        assert_int_equal(v.state, VOLUME_FAILED);
        assert_int_equal(v.failures, 1);
        assert_int_equal(v.timer, 121 + config.retry);
}

static void a_change_is_tried_before_the_retry_is_due(void **state) {
        Volume v = failed_volume(1000);
        at(&v, VOLUME_SCAN_WANTED, 1001);
        at(&v, VOLUME_SCAN_STALE, 1002);
        assert_true(volume_wants_build(&v));
        assert_int_equal(v.timer, USEC_INFINITY);
}

static void at_its_retry_it_is_built_again(void **state) {
        Volume v = failed_volume(1000);
        assert_int_equal(v.timer, 1000 + config.retry);
        assert_int_equal(at(&v, VOLUME_TIMER, v.timer), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_STALE_AGAIN, v.timer - 5);
        assert_true(volume_wants_build(&v));
}

static void not_now_waits_as_long_each_time(void **state) {
        Volume v = scanning_volume();
        uint64_t now = 1000;
        fail_build(&v, &config, now);
        fail_build(&v, &config, now); /* after which the next retry would take twice as long */
        at(&v, VOLUME_SCAN_STALE, now);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(at(&v, VOLUME_BUILD_SLOT, now), VOLUME_ACT_BUILD);
                at(&v, VOLUME_BUILD_NOT_NOW, now);
                at(&v, VOLUME_SCAN_STALE_AGAIN, now);
                assert_int_equal(v.state, VOLUME_STALE);
                assert_int_equal(v.failures, 2);
                assert_int_equal(v.timer, now + config.retry);
                now = v.timer;
                assert_int_equal(at(&v, VOLUME_TIMER, now), 0);
                assert_int_equal(v.timer, USEC_INFINITY);
        }
}

static void not_now_holds_until_it_is_built_or_fresh(void **state) {
        Volume v = stale_volume();
        at(&v, VOLUME_BUILD_SLOT, 110);
        at(&v, VOLUME_BUILD_NOT_NOW, 110);
        at(&v, VOLUME_SCAN_STALE_AGAIN, 110);
        Volume fresh = v;
        at(&fresh, VOLUME_SCAN_WANTED, 111);
        assert_int_equal(fresh.timer, 111 + config.scan_timeout);
        at(&fresh, VOLUME_SCAN_FRESH, 111);
        at(&fresh, VOLUME_SCAN_WANTED, 112);
        at(&fresh, VOLUME_SCAN_STALE, 112);
        assert_true(volume_wants_build(&fresh));

        at(&v, VOLUME_HURRY_WANTED, 111); /* does not wait for that */
        at(&v, VOLUME_SCAN_STALE_AGAIN, 111);
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, 111), VOLUME_ACT_BUILD);
        at(&v, VOLUME_BUILD_SUCCESS, 112);
        at(&v, VOLUME_SCAN_STALE, 112);
        assert_true(volume_wants_build(&v));
}

/* A "not now" is waited for even if a scan fails meanwhile. */
static void not_now_outlives_a_scan_that_fails(void **state) {
        Volume v = stale_volume();
        at(&v, VOLUME_BUILD_SLOT, 110);
        at(&v, VOLUME_BUILD_NOT_NOW, 110);
        at(&v, VOLUME_SCAN_ERROR, 110);
        assert_int_equal(v.state, VOLUME_FAILED);
        assert_int_equal(at(&v, VOLUME_TIMER, v.timer), VOLUME_ACT_SCAN);
        assert_true(v.holds & VOLUME_HOLD_RETRY);
        at(&v, VOLUME_SCAN_STALE_AGAIN, 117);
        assert_int_equal(v.state, VOLUME_STALE);
        at(&v, VOLUME_TIMER, 117);
        assert_true(volume_wants_build(&v));
}

static void what_could_not_be_scanned_is_scanned_on_a_timer(void **state) {
        Volume v = given_up_volume();
        assert_true(v.unwatched);
        assert_int_equal(v.timer, 1000 + config.unwatched);
        assert_int_equal(at(&v, VOLUME_TIMER, v.timer), VOLUME_ACT_SCAN);
        assert_false(volume_busy(&v));
}

static void a_first_scan_that_hung_is_no_work_that_is_owed(void **state) {
        Volume v = volume_init(true);
        at(&v, VOLUME_APPEARED, 1);
        at(&v, VOLUME_SCAN_WANTED, 2);
        at(&v, VOLUME_TIMER, v.timer);
        assert_int_equal(v.state, VOLUME_HUNG);
        assert_int_equal(at(&v, VOLUME_SCAN_FRESH, 99), VOLUME_ACT_SCAN);
        assert_int_equal(v.state, VOLUME_SCANNING);
        assert_false(volume_busy(&v));
}

static void what_is_fresh_again_has_all_tries_again(void **state) {
        static const VolumeEvent verdicts[] = {VOLUME_SCAN_FRESH, VOLUME_SCAN_NONE, VOLUME_SCAN_REFUSED};
        static const VolumeState states[] = {VOLUME_FRESH, VOLUME_PLAIN, VOLUME_REFUSED};
        for (size_t i = 0; i < ELEMENTSOF(verdicts); i++) {
                Volume v = failed_volume(1000), lost = given_up_volume();
                at(&v, VOLUME_SCAN_WANTED, 1001);
                at(&v, verdicts[i], 1002);
                assert_int_equal(v.state, states[i]);
                assert_int_equal(v.failures, 0);
                assert_int_equal(v.attempts, 0);
                at(&v, VOLUME_SCAN_WANTED, 1003);
                at(&v, VOLUME_SCAN_STALE_AGAIN, 1003); /* its retry would be at 1006 */
                assert_true(volume_wants_build(&v));

                at(&lost, VOLUME_SCAN_WANTED, 2000);
                at(&lost, verdicts[i], 2000);
                at(&lost, VOLUME_CHANGED, 2001);
                assert_true(volume_busy(&lost));
        }
}

static void a_success_under_a_lock_resets_the_tries(void **state) {
        Volume v = failed_volume(1000);
        assert_int_equal(v.attempts, 1);
        assert_int_equal(at(&v, VOLUME_UNLOCKED_SUCCESS, 1001), VOLUME_ACT_SCAN);
        assert_int_equal(v.failures, 0);
        assert_int_equal(v.attempts, 0);
        assert_true(volume_busy(&v));
        at(&v, VOLUME_SCAN_STALE_AGAIN, 1002);
        assert_true(volume_wants_build(&v));

        Volume lost = given_up_volume();
        at(&lost, VOLUME_UNLOCKED_SUCCESS, 2000);
        assert_true(volume_busy(&lost));
}

static void a_failure_under_a_lock_counts_and_the_volume_is_tried(void **state) {
        Volume v = failed_volume(1000);
        assert_int_equal(at(&v, VOLUME_UNLOCKED_FAILURE, 1001), VOLUME_ACT_SCAN);
        assert_int_equal(v.failures, 2);
        assert_int_equal(v.attempts, 1);
        at(&v, VOLUME_SCAN_STALE_AGAIN, 1002);
        assert_int_equal(v.timer, 1000 + config.retry); /* of its own failure */
}

static void distrust_forgets_what_failed(void **state) {
        Volume v = failed_volume(1000);
        assert_int_equal(at(&v, VOLUME_DISTRUST, 1001), 0);
        assert_int_equal(v.state, VOLUME_UNTRUSTED);
        assert_int_equal(v.failures, 0);
        assert_int_equal(v.attempts, 0);
        assert_int_equal(v.timer, USEC_INFINITY);
        assert_int_equal(at(&v, VOLUME_DISTRUST, 1001), 0);
        assert_int_equal(at(&v, VOLUME_TRUST, 1002), VOLUME_ACT_SCAN);
        assert_true(volume_busy(&v));
        at(&v, VOLUME_SCAN_STALE_AGAIN, 1002);
        assert_true(volume_wants_build(&v));
}

/* Whether fresh, stale, failed or given up; whatever is under way ends first. */
static void distrust_ends_whatever_waits(void **state) {
        Volume all[] = {fresh_volume(), stale_volume(), failed_volume(1000), given_up_volume()};
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                assert_int_equal(at(&all[i], VOLUME_DISTRUST, 2000), 0);
                assert_int_equal(all[i].state, VOLUME_UNTRUSTED);
                assert_false(volume_busy(&all[i]));
        }
        Volume scanning = scanning_volume();
        at(&scanning, VOLUME_DISTRUST, 109);
        assert_int_equal(scanning.state, VOLUME_SCANNING);
        at(&scanning, VOLUME_SCAN_STALE, 110);
        assert_int_equal(scanning.state, VOLUME_UNTRUSTED);
}

static void what_changed_while_it_was_scanned_outlives_distrust(void **state) {
        Volume v = scanning_volume();
        at(&v, VOLUME_CHANGED, 108);
        at(&v, VOLUME_BUILD_WANTED, 108);
        at(&v, VOLUME_SCAN_STALE, 109); /* requested again */
        assert_int_equal(v.state, VOLUME_SCANNING);
        at(&v, VOLUME_CHANGED, 110);
        at(&v, VOLUME_SCAN_STALE, 111);
        assert_int_equal(v.state, VOLUME_STALE);
        assert_false(volume_listens(&v));
        at(&v, VOLUME_DISTRUST, 112);
        assert_int_equal(v.state, VOLUME_SETTLING);
        assert_false(volume_busy(&v));
        assert_int_equal(settle_to_scan(&v, 112), 120);
}

static void a_released_lock_outlives_distrust(void **state) {
        VolumeConfig c = config;
        c.unlock_gap = 5;
        Volume v = fresh_volume(); /* scanned at 1 */
        assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED_SUCCESS, 2), 0);
        assert_int_equal(event_at(&v, &c, VOLUME_DISTRUST, 3), VOLUME_ACT_SCAN);

        v = scanning_volume();
        assert_int_equal(at(&v, VOLUME_UNLOCKED, 108), 0);
        assert_int_equal(at(&v, VOLUME_SCAN_STALE, 109), 0);
        assert_int_equal(at(&v, VOLUME_DISTRUST, 110), VOLUME_ACT_SCAN);
}

static void the_gap_after_an_unlock_is_for_what_is_fresh_alone(void **state) {
        VolumeConfig c = config;
        c.unlock_gap = 5;
        static const VolumeEvent verdicts[] = {VOLUME_SCAN_NONE, VOLUME_SCAN_REFUSED, VOLUME_SCAN_ERROR};
        for (size_t i = 0; i < ELEMENTSOF(verdicts); i++) {
                Volume v = scanning_volume();
                event_at(&v, &c, verdicts[i], 109);
                assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED, 110), VOLUME_ACT_SCAN);
                assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED, 111), 0); /* while it is being scanned */
                assert_int_equal(event_at(&v, &c, verdicts[i], 112), VOLUME_ACT_SCAN);
        }
}

static void the_gap_puts_off_no_scan_that_is_due_sooner(void **state) {
        VolumeConfig c = config;
        c.unlock_gap = 100;
        Volume v = fresh_volume();
        volume_set_watched(&v, false);
        event_at(&v, &c, VOLUME_SCAN_WANTED, 10);
        event_at(&v, &c, VOLUME_SCAN_FRESH, 10);
        assert_int_equal(v.timer, 10 + c.unwatched);
        assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED, 11), 0);
        assert_int_equal(v.timer, 10 + c.unwatched);
        assert_int_equal(event_at(&v, &c, VOLUME_TIMER, v.timer), VOLUME_ACT_SCAN);
        assert_true(volume_busy(&v)); /* because of the lock */
        assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED, 35), 0);
        event_at(&v, &c, VOLUME_SCAN_FRESH, 36);
        assert_int_equal(v.timer, 36 + c.unwatched);
}

static void the_gap_ends_when_it_is_over(void **state) {
        VolumeConfig c = config;
        c.unlock_gap = 1;
        Volume v = fresh_volume();
        event_at(&v, &c, VOLUME_SCAN_WANTED, 10);
        event_at(&v, &c, VOLUME_SCAN_FRESH, 10);
        assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED, 11), VOLUME_ACT_SCAN);
        assert_true(volume_busy(&v));
        assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED, 11), 0);
        assert_int_equal(event_at(&v, &c, VOLUME_SCAN_FRESH, 12), 0);
        assert_int_equal(v.timer, 13);

        v = fresh_volume(); /* no gap: at once */
        assert_int_equal(at(&v, VOLUME_UNLOCKED, 1), VOLUME_ACT_SCAN);
        assert_int_equal(at(&v, VOLUME_UNLOCKED, 1), 0);
        assert_int_equal(at(&v, VOLUME_SCAN_FRESH, 1), VOLUME_ACT_SCAN);
        assert_true(volume_busy(&v));
}

static void a_lock_released_while_a_scan_hangs_is_not_forgotten(void **state) {
        Volume v = scanning_volume();
        at(&v, VOLUME_TIMER, v.timer);
        assert_int_equal(v.state, VOLUME_HUNG);
        assert_int_equal(at(&v, VOLUME_UNLOCKED_SUCCESS, 200), 0);
        assert_int_equal(at(&v, VOLUME_SCAN_FRESH, 300), VOLUME_ACT_SCAN);
        assert_int_equal(v.state, VOLUME_SCANNING);
}

static void requests_to_a_hung_volume_start_nothing(void **state) {
        static const VolumeEvent requests[] = {VOLUME_SCAN_WANTED, VOLUME_HURRY_WANTED, VOLUME_BUILD_WANTED,
                                               VOLUME_FORCE_WANTED};
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                Volume v = scanning_volume();
                volume_hold(&v, VOLUME_HOLD_BOOT, true);
                at(&v, VOLUME_TIMER, v.timer);
                assert_int_equal(at(&v, requests[i], 200), 0);
                assert_int_equal(at(&v, VOLUME_SCAN_STALE, 300), 0);
                assert_int_equal(v.state, VOLUME_STALE);
                assert_false(volume_wants_build(&v)); /* nobody waived the hold */
                volume_hold(&v, VOLUME_HOLD_BOOT, false);
                assert_int_equal(at(&v, VOLUME_BUILD_SLOT, 301), VOLUME_ACT_BUILD);
        }
}

static void requests_during_a_scan_are_honoured_after_it(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_SCAN_WANTED, 10);
        assert_false(volume_busy(&v)); /* only a scan */
        assert_int_equal(at(&v, VOLUME_SCAN_WANTED, 11), 0);
        assert_int_equal(at(&v, VOLUME_SCAN_FRESH, 12), VOLUME_ACT_SCAN);
        assert_false(volume_busy(&v));
        volume_set_lock(&v, VOLUME_LOCK_CLIENT);
        assert_int_equal(at(&v, VOLUME_SCAN_WANTED, 13), 0);
        volume_set_lock(&v, VOLUME_LOCK_NONE);
        assert_int_equal(at(&v, VOLUME_SCAN_FRESH, 14), VOLUME_ACT_SCAN);
        assert_true(volume_busy(&v)); /* it was busy when requested */
        assert_int_equal(at(&v, VOLUME_SCAN_FRESH, 15), 0);
        assert_int_equal(v.state, VOLUME_FRESH);

        at(&v, VOLUME_SCAN_WANTED, 20);
        assert_int_equal(at(&v, VOLUME_FORCE_WANTED, 21), 0);
        assert_true(volume_busy(&v));
        assert_int_equal(at(&v, VOLUME_SCAN_FRESH, 22), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_FRESH, 23);
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, 23), VOLUME_ACT_BUILD | VOLUME_ACT_FORCE);
}

static void a_requested_build_does_not_wait_for_quiet(void **state) {
        static const VolumeEvent requests[] = {VOLUME_HURRY_WANTED, VOLUME_BUILD_WANTED, VOLUME_FORCE_WANTED};
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                Volume v = fresh_volume();
                at(&v, VOLUME_CHANGED, 100);
                assert_int_equal(at(&v, requests[i], 101), VOLUME_ACT_SCAN);
                at(&v, VOLUME_CHANGED, 102);
                assert_int_equal(at(&v, VOLUME_SCAN_STALE, 103), 0);
                assert_true(volume_wants_build(&v));
                assert_false(volume_listens(&v)); /* the change is known, and a scan follows the build */
                (void) at(&v, VOLUME_BUILD_SLOT, 104);
                assert_true(volume_listens(&v)); /* what changes now is new */
        }
}

static void a_requested_build_makes_a_given_up_volume_busy_again(void **state) {
        Volume v = given_up_volume();
        assert_false(volume_busy(&v));
        assert_int_equal(at(&v, VOLUME_BUILD_WANTED, 2000), VOLUME_ACT_SCAN);
        assert_true(volume_busy(&v));
}

/* A hurry waives less than a request for a build, but takes nothing away from it. */
static void a_later_hurry_keeps_what_a_request_has_waived(void **state) {
        Volume v = fresh_volume();
        volume_hold(&v, VOLUME_HOLD_PACKAGES, true);
        at(&v, VOLUME_BUILD_WANTED, 10);
        at(&v, VOLUME_HURRY_WANTED, 11);
        at(&v, VOLUME_SCAN_STALE, 12);
        at(&v, VOLUME_SCAN_STALE, 13);
        assert_true(volume_wants_build(&v));
}

/* Even if the scan that runs was not owed, the one after it is. */
static void a_change_under_a_lock_during_a_scan_is_owed(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_SCAN_WANTED, 10);
        assert_false(volume_busy(&v));
        at(&v, VOLUME_CHANGED, 11);
        at(&v, VOLUME_UNLOCKED, 12);
        assert_int_equal(at(&v, VOLUME_SCAN_FRESH, 13), VOLUME_ACT_SCAN);
        assert_true(volume_busy(&v));
}

static void a_change_during_a_scan_makes_the_volume_busy_once_it_settles(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_SCAN_WANTED, 10);
        at(&v, VOLUME_CHANGED, 11);
        assert_false(volume_busy(&v));
        at(&v, VOLUME_SCAN_FRESH, 12);
        assert_int_equal(v.state, VOLUME_SETTLING);
        assert_true(volume_busy(&v));
}

static void a_hung_volume_has_no_timer(void **state) {
        Volume scanning = scanning_volume(), building = stale_volume();
        at(&building, VOLUME_BUILD_SLOT, 110);
        at(&scanning, VOLUME_TIMER, scanning.timer);
        at(&building, VOLUME_TIMER, building.timer);
        assert_int_equal(scanning.state, VOLUME_HUNG);
        assert_int_equal(building.state, VOLUME_HUNG);
        assert_int_equal(scanning.timer, USEC_INFINITY); /* or it would expire without end */
        assert_int_equal(building.timer, USEC_INFINITY);
}

/* An attempt that did not begin must not wait for the retry of an earlier failure. */
static void a_build_that_was_locked_out_waits_for_the_lock_alone(void **state) {
        Volume v = failed_volume(1000);
        at(&v, VOLUME_SCAN_WANTED, 1001);
        at(&v, VOLUME_SCAN_STALE, 1002);
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, 1002), VOLUME_ACT_BUILD);
        at(&v, VOLUME_BUILD_LOCKED, 1003);
        at(&v, VOLUME_SCAN_STALE_AGAIN, 1004);
        assert_true(volume_wants_build(&v));
}

static void a_forced_build_happens_even_if_the_volume_settles_first(void **state) {
        Volume v = stale_volume();
        at(&v, VOLUME_BUILD_SLOT, 110);
        assert_int_equal(at(&v, VOLUME_FORCE_WANTED, 111), 0); /* while it is being built */
        assert_int_equal(at(&v, VOLUME_BUILD_SUCCESS, 112), VOLUME_ACT_SCAN);
        assert_int_equal(at(&v, VOLUME_SCAN_FRESH, 113), 0);
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, 114), VOLUME_ACT_BUILD | VOLUME_ACT_FORCE);
        at(&v, VOLUME_BUILD_SUCCESS, 115);
        at(&v, VOLUME_SCAN_STALE, 116);
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, 117), VOLUME_ACT_BUILD); /* once */
}

static void packages_hold_back_all_but_a_person(void **state) {
        static const VolumeHold holds[] = {VOLUME_HOLD_BOOT, VOLUME_HOLD_PACKAGES};
        for (size_t i = 0; i < ELEMENTSOF(holds); i++) {
                Volume v = stale_volume();
                assert_true(volume_wants_build(&v));
                volume_hold(&v, holds[i], true);
                assert_false(volume_wants_build(&v));
                assert_int_equal(at(&v, VOLUME_BUILD_SLOT, 110), 0);
                volume_hold(&v, holds[i], false);
                assert_true(volume_wants_build(&v));
                volume_hold(&v, holds[i], true);
                at(&v, VOLUME_BUILD_WANTED, 111);
                at(&v, VOLUME_SCAN_STALE, 112);
                assert_int_equal(at(&v, VOLUME_BUILD_SLOT, 113), VOLUME_ACT_BUILD);
                at(&v, VOLUME_BUILD_SUCCESS, 114); /* that was for one build */
                at(&v, VOLUME_SCAN_STALE, 115);
                assert_false(volume_wants_build(&v));
        }
}

static void a_hurry_only_scans_an_untrusted_volume(void **state) {
        Volume v = volume_init(false);
        at(&v, VOLUME_APPEARED, 1);
        at(&v, VOLUME_SCAN_STALE, 2);
        assert_int_equal(at(&v, VOLUME_HURRY_WANTED, 3), VOLUME_ACT_SCAN);
        at(&v, VOLUME_TRUST, 4); /* from here on nobody waives anything */
        volume_hold(&v, VOLUME_HOLD_BOOT, true);
        at(&v, VOLUME_SCAN_STALE, 5);
        assert_int_equal(v.state, VOLUME_STALE);
        assert_false(volume_wants_build(&v));
}

static void endless_change_ends_at_the_moment_that_is_set(void **state) {
        for (uint64_t late = 0; late <= 1; late++) {
                Volume v = scanning_volume(); /* changed at 100 */
                uint64_t now = 100 + config.settle_max - 1 + late;
                at(&v, VOLUME_CHANGED, now);
                at(&v, VOLUME_SCAN_STALE, now);
                assert_int_equal(v.state, late ? VOLUME_STALE : VOLUME_SETTLING);
        }
}

/* A scan that was merely requested has no change that it could be late for. */
static void changes_during_a_scan_settle(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_SCAN_WANTED, 1000);
        at(&v, VOLUME_CHANGED, 1001);
        at(&v, VOLUME_SCAN_STALE, 1002);
        assert_int_equal(v.state, VOLUME_SETTLING);
        assert_int_equal(settle_to_scan(&v, 1002), 1010);
}

static void what_is_tried_once_more_is_owed_again(void **state) {
        Volume v = given_up_volume();
        at(&v, VOLUME_CHANGED, 2000);
        assert_false(volume_busy(&v));
        at(&v, VOLUME_SCAN_STALE, settle_to_scan(&v, 2000));
        assert_true(volume_wants_build(&v));
        at(&v, VOLUME_CHANGED, 2010);
        assert_int_equal(v.state, VOLUME_SETTLING);
        assert_true(volume_busy(&v));
}

static void a_change_after_a_success_is_no_failure(void **state) {
        Volume v = stale_volume();
        at(&v, VOLUME_BUILD_SLOT, 110);
        at(&v, VOLUME_BUILD_SUCCESS, 120);
        at(&v, VOLUME_SCAN_STALE, 121);
        assert_int_equal(v.failures, 0);
        assert_true(volume_wants_build(&v));
}

static void settling_is_checked_four_times_and_a_bit(void **state) {
        VolumeConfig c = config;
        c.settle = 16;
        Volume v = fresh_volume();
        (void) event_at(&v, &c, VOLUME_CHANGED, 100);
        assert_int_equal(v.timer, 105);
}

static void what_is_not_stale_rests_before_it_settles_again(void **state) {
        Volume v = scanning_volume();
        at(&v, VOLUME_CHANGED, 109);
        at(&v, VOLUME_SCAN_FRESH, 110);
        assert_int_equal(v.state, VOLUME_SETTLING);
        assert_int_equal(v.first_change, 110); /* not of what was scanned since */
        assert_int_equal(settle_to_scan(&v, 110), 118);
}

static void a_scan_waits_for_its_slot(void **state) {
        Volume v = volume_init(true);
        assert_int_equal(volume_event(&v, &config, VOLUME_APPEARED, 1), 0);
        assert_true(volume_wants_scan(&v) && volume_scan_pending(&v));
        assert_false(volume_holds_scan_slot(&v));
        assert_int_equal(v.state, VOLUME_NEW);
        assert_int_equal(v.timer, USEC_INFINITY); /* it does not time out before it runs */
        assert_int_equal(volume_event(&v, &config, VOLUME_SCAN_SLOT, 50), VOLUME_ACT_SCAN);
        assert_int_equal(v.timer, 50 + config.scan_timeout);
        assert_true(volume_holds_scan_slot(&v) && volume_scan_pending(&v));
        assert_false(volume_wants_scan(&v));
        assert_int_equal(volume_event(&v, &config, VOLUME_SCAN_SLOT, 51), 0);
        assert_int_equal(volume_event(&v, &config, VOLUME_TIMER, v.timer), 0);
        assert_int_equal(v.state, VOLUME_HUNG);
        assert_false(volume_holds_scan_slot(&v));
        assert_true(volume_scan_pending(&v));
        volume_event(&v, &config, VOLUME_SCAN_FRESH, 99);
        assert_false(volume_scan_pending(&v));
}

static void what_comes_before_the_slot_is_covered_by_the_scan(void **state) {
        Volume v = fresh_volume();
        assert_int_equal(volume_event(&v, &config, VOLUME_SCAN_WANTED, 10), 0);
        assert_false(volume_busy(&v));
        assert_true(volume_listens(&v));
        volume_event(&v, &config, VOLUME_CHANGED, 11);
        assert_false(volume_listens(&v)); /* a storm costs nothing more */
        assert_true(volume_busy(&v));     /* but it is known that something changed */
        volume_event(&v, &config, VOLUME_SCAN_WANTED, 12);
        volume_event(&v, &config, VOLUME_UNLOCKED, 12);
        assert_true(volume_busy(&v));
        assert_int_equal(volume_event(&v, &config, VOLUME_SCAN_SLOT, 13), VOLUME_ACT_SCAN);
        assert_true(volume_listens(&v));
        assert_int_equal(volume_event(&v, &config, VOLUME_SCAN_FRESH, 14), 0);
        assert_int_equal(v.state, VOLUME_FRESH);
        assert_false(volume_wants_scan(&v));

        volume_event(&v, &config, VOLUME_SCAN_WANTED, 20);
        volume_event(&v, &config, VOLUME_UNLOCKED, 20);
        assert_true(volume_busy(&v)); /* a scan of what was done under the lock is owed */
}

static void what_is_being_built_or_given_up_says_so(void **state) {
        Volume v = stale_volume();
        assert_false(volume_holds_build_slot(&v));
        at(&v, VOLUME_BUILD_SLOT, 110);
        assert_true(volume_holds_build_slot(&v));
        assert_true(volume_listens(&v));
        at(&v, VOLUME_TIMER, v.timer);
        assert_int_equal(v.state, VOLUME_HUNG);
        assert_false(volume_holds_build_slot(&v));
        for (VolumeState s = 0; s < _VOLUME_STATE_MAX; s++)
                assert_true(*volume_state_to_string(s));
        assert_string_equal(volume_state_to_string(VOLUME_GIVEN_UP), "given-up");
}

static void a_lock_makes_what_may_change_busy(void **state) {
        Volume v = fresh_volume();
        volume_set_lock(&v, VOLUME_LOCK_CLIENT);
        assert_true(v.locked && volume_busy(&v));
        assert_int_equal(v.holds, VOLUME_HOLD_LOCK);
        volume_set_lock(&v, VOLUME_LOCK_REBOOT); /* a reboot changes nothing */
        assert_false(v.locked || volume_busy(&v));
        assert_int_equal(v.holds, VOLUME_HOLD_LOCK);
        volume_set_lock(&v, VOLUME_LOCK_NONE);
        assert_int_equal(v.holds, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(settling_is_checked_at_even_intervals),
                cmocka_unit_test(retries_double_up_to_a_bound),
                cmocka_unit_test(a_retry_that_is_never_does_not_come_at_once),
                cmocka_unit_test(what_changed_after_it_was_given_up_is_built_once),
                cmocka_unit_test(what_was_given_up_early_keeps_its_count_of_builds),
                cmocka_unit_test(what_was_never_tried_has_not_failed),
                cmocka_unit_test(success_that_left_it_stale_is_a_failure_counted_once),
                cmocka_unit_test(a_change_is_tried_before_the_retry_is_due),
                cmocka_unit_test(at_its_retry_it_is_built_again),
                cmocka_unit_test(not_now_waits_as_long_each_time),
                cmocka_unit_test(not_now_holds_until_it_is_built_or_fresh),
                cmocka_unit_test(not_now_outlives_a_scan_that_fails),
                cmocka_unit_test(what_could_not_be_scanned_is_scanned_on_a_timer),
                cmocka_unit_test(a_first_scan_that_hung_is_no_work_that_is_owed),
                cmocka_unit_test(what_is_fresh_again_has_all_tries_again),
                cmocka_unit_test(a_success_under_a_lock_resets_the_tries),
                cmocka_unit_test(a_failure_under_a_lock_counts_and_the_volume_is_tried),
                cmocka_unit_test(distrust_forgets_what_failed),
                cmocka_unit_test(distrust_ends_whatever_waits),
                cmocka_unit_test(what_changed_while_it_was_scanned_outlives_distrust),
                cmocka_unit_test(a_released_lock_outlives_distrust),
                cmocka_unit_test(the_gap_after_an_unlock_is_for_what_is_fresh_alone),
                cmocka_unit_test(the_gap_puts_off_no_scan_that_is_due_sooner),
                cmocka_unit_test(the_gap_ends_when_it_is_over),
                cmocka_unit_test(a_lock_released_while_a_scan_hangs_is_not_forgotten),
                cmocka_unit_test(requests_to_a_hung_volume_start_nothing),
                cmocka_unit_test(requests_during_a_scan_are_honoured_after_it),
                cmocka_unit_test(a_requested_build_does_not_wait_for_quiet),
                cmocka_unit_test(a_requested_build_makes_a_given_up_volume_busy_again),
                cmocka_unit_test(a_later_hurry_keeps_what_a_request_has_waived),
                cmocka_unit_test(a_change_under_a_lock_during_a_scan_is_owed),
                cmocka_unit_test(a_change_during_a_scan_makes_the_volume_busy_once_it_settles),
                cmocka_unit_test(a_hung_volume_has_no_timer),
                cmocka_unit_test(a_build_that_was_locked_out_waits_for_the_lock_alone),
                cmocka_unit_test(a_forced_build_happens_even_if_the_volume_settles_first),
                cmocka_unit_test(packages_hold_back_all_but_a_person),
                cmocka_unit_test(a_hurry_only_scans_an_untrusted_volume),
                cmocka_unit_test(endless_change_ends_at_the_moment_that_is_set),
                cmocka_unit_test(changes_during_a_scan_settle),
                cmocka_unit_test(what_is_tried_once_more_is_owed_again),
                cmocka_unit_test(a_change_after_a_success_is_no_failure),
                cmocka_unit_test(settling_is_checked_four_times_and_a_bit),
                cmocka_unit_test(what_is_not_stale_rests_before_it_settles_again),
                cmocka_unit_test(a_scan_waits_for_its_slot),
                cmocka_unit_test(what_comes_before_the_slot_is_covered_by_the_scan),
                cmocka_unit_test(what_is_being_built_or_given_up_says_so),
                cmocka_unit_test(a_lock_makes_what_may_change_busy),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
