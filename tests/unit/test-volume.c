/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state machine of a volume, as a story told by a person. How much, how long and how often exactly:
 * test-volume-exact.c; every state: test-volume-states.c. */

/* tests: daemon/core/volume-state.c */

#include "volumestory.h"

static void a_change_settles_is_scanned_built_and_scanned_again(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        assert_int_equal(v.state, VOLUME_SETTLING);
        assert_true(volume_busy(&v));
        assert_false(volume_listens(&v));
        assert_int_equal(settle_to_scan(&v, 100), 108);
        assert_int_equal(v.state, VOLUME_SCANNING);
        at(&v, VOLUME_SCAN_STALE, 109);
        assert_int_equal(v.state, VOLUME_STALE);
        assert_true(volume_wants_build(&v));
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, 109), VOLUME_ACT_BUILD);
        assert_int_equal(v.state, VOLUME_BUILDING);
        assert_int_equal(at(&v, VOLUME_BUILD_SUCCESS, 120), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_FRESH, 121);
        assert_int_equal(v.state, VOLUME_FRESH);
        assert_false(volume_busy(&v));
        assert_int_equal(v.attempts, 0);
}

static void each_time_it_settles_anew(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        at(&v, VOLUME_SCAN_FRESH, settle_to_scan(&v, 100));
        at(&v, VOLUME_CHANGED, 1000);
        assert_int_equal(settle_to_scan(&v, 1000), 1008);
}

static void endless_change_does_not_keep_stale_work_waiting(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_CHANGED, now); /* a change during the scan settles first, … */
        at(&v, VOLUME_SCAN_STALE, now);
        while (v.state == VOLUME_SETTLING) {
                now = v.timer;
                at(&v, VOLUME_CHANGED, now);
                (void) at(&v, VOLUME_TIMER, now);
        }
        assert_int_equal(now, 100 + config.settle_max);
        at(&v, VOLUME_CHANGED, now); /* … but not for ever */
        at(&v, VOLUME_SCAN_STALE, now);
        assert_true(volume_wants_build(&v));
}

static void each_change_restarts_settling_but_not_for_ever(void **state) {
        Volume v = fresh_volume();
        uint64_t now = 100;
        at(&v, VOLUME_CHANGED, now);
        while (v.state == VOLUME_SETTLING) {
                now = v.timer;
                if (!volume_settled(&v, &config, now))
                        at(&v, VOLUME_CHANGED, now);
                (void) at(&v, VOLUME_TIMER, now);
        }
        assert_int_equal(v.state, VOLUME_SCANNING);
        assert_int_equal(now, 100 + config.settle_max);
}

static void a_storm_costs_a_bounded_number_of_timers(void **state) {
        Volume v = fresh_volume();
        unsigned timers = 0;
        at(&v, VOLUME_CHANGED, 100);
        while (v.state == VOLUME_SETTLING) {
                uint64_t now = v.timer;
                timers++;
                if (!volume_settled(&v, &config, now))
                        at(&v, VOLUME_CHANGED, now);
                (void) at(&v, VOLUME_TIMER, now);
        }
        assert_true(timers <= 4 * config.settle_max / config.settle);
}

static void a_change_during_the_build_is_followed_by_a_scan_and_a_build(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        at(&v, VOLUME_BUILD_SLOT, now);
        at(&v, VOLUME_CHANGED, now + 1);
        assert_int_equal(v.state, VOLUME_BUILDING);
        assert_int_equal(at(&v, VOLUME_BUILD_SUCCESS, now + 2), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_STALE, now + 3);
        assert_true(volume_wants_build(&v));
}

static void failures_wait_longer_each_time_and_end(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100), delay = 0;
        VolumeEvent verdict = VOLUME_SCAN_STALE;
        for (unsigned i = 1; i <= config.max_failures; i++) {
                at(&v, verdict, now);
                assert_int_equal(at(&v, VOLUME_BUILD_SLOT, now), VOLUME_ACT_BUILD);
                assert_int_equal(at(&v, VOLUME_BUILD_FAILURE, now), VOLUME_ACT_SCAN);
                verdict = VOLUME_SCAN_STALE_AGAIN;
                at(&v, verdict, now);
                assert_int_equal(v.failures, i);
                if (i == config.max_failures)
                        break;
                assert_int_equal(v.state, VOLUME_FAILED);
                assert_true(v.timer - now > delay);
                delay = v.timer - now;
                now = v.timer;
                assert_int_equal(at(&v, VOLUME_TIMER, now), VOLUME_ACT_SCAN);
        }
        assert_int_equal(v.state, VOLUME_GIVEN_UP);
        assert_int_equal(v.timer, USEC_INFINITY);
        assert_false(volume_busy(&v));

        /* a change is worth one more attempt, no more; endless change holds nothing up meanwhile */
        at(&v, VOLUME_CHANGED, now + 100);
        assert_false(volume_busy(&v));
        now = settle_to_scan(&v, now + 100);
        assert_false(volume_busy(&v));
        at(&v, VOLUME_SCAN_STALE, now);
        assert_true(volume_busy(&v));
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, now), VOLUME_ACT_BUILD);
        at(&v, VOLUME_BUILD_FAILURE, now);
        at(&v, VOLUME_SCAN_STALE_AGAIN, now);
        assert_int_equal(v.state, VOLUME_GIVEN_UP);
}

static void what_a_failed_build_wrote_is_no_reason_to_try_at_once(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        at(&v, VOLUME_BUILD_SLOT, now);
        at(&v, VOLUME_CHANGED, now); /* its own half-written output */
        at(&v, VOLUME_BUILD_FAILURE, now);
        at(&v, VOLUME_SCAN_STALE_AGAIN, now);
        assert_int_equal(v.state, VOLUME_FAILED);
}

static void a_build_that_changes_nothing_ends_given_up(void **state) {
        Volume v = fresh_volume();
        unsigned builds = 0;
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        while (v.state != VOLUME_GIVEN_UP) {
                if (volume_wants_build(&v)) {
                        at(&v, VOLUME_BUILD_SLOT, now);
                        builds++;
                        at(&v, VOLUME_BUILD_SUCCESS, now);
                        at(&v, VOLUME_SCAN_STALE_AGAIN, now);
                        assert_false(volume_wants_build(&v)); /* not at once */
                } else {
                        assert_true(v.timer > now);
                        now = v.timer;
                        assert_int_not_equal(now, USEC_INFINITY);
                        at(&v, VOLUME_TIMER, now);
                        at(&v, VOLUME_SCAN_STALE_AGAIN, now);
                }
        }
        assert_int_equal(builds, config.max_attempts);

        /* a change is worth one more */
        at(&v, VOLUME_CHANGED, now);
        now = settle_to_scan(&v, now);
        at(&v, VOLUME_SCAN_STALE, now);
        assert_true(volume_wants_build(&v));
}

static void builds_that_something_undoes_each_time_end_given_up(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        for (unsigned i = 0; i < config.max_attempts; i++) {
                at(&v, VOLUME_SCAN_STALE, now);
                assert_int_equal(at(&v, VOLUME_BUILD_SLOT, now), VOLUME_ACT_BUILD);
                at(&v, VOLUME_BUILD_SUCCESS, now);
        }
        at(&v, VOLUME_SCAN_STALE, now);
        assert_int_equal(v.state, VOLUME_GIVEN_UP);
}

static void scans_that_fail_wait_longer_each_time_and_end(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100), delay = 0;
        for (unsigned i = 1; i < config.max_failures; i++) {
                at(&v, VOLUME_SCAN_ERROR, now);
                assert_int_equal(v.state, VOLUME_FAILED);
                assert_int_equal(v.failures, i);
                assert_true(v.timer - now > delay);
                delay = v.timer - now;
                now = v.timer;
                assert_int_equal(at(&v, VOLUME_TIMER, now), VOLUME_ACT_SCAN);
        }
        at(&v, VOLUME_SCAN_ERROR, now);
        assert_int_equal(v.state, VOLUME_GIVEN_UP);

        /* after a success by hand, or a request for a build, all attempts are available again */
        Volume other = v;
        at(&other, VOLUME_UNLOCKED_SUCCESS, now);
        at(&other, VOLUME_SCAN_ERROR, now);
        assert_int_equal(other.state, VOLUME_FAILED);
        assert_int_equal(other.failures, 1);
        assert_int_equal(at(&v, VOLUME_BUILD_WANTED, now), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_STALE_AGAIN, now);
        assert_true(volume_wants_build(&v));
}

static void not_now_is_no_failure_and_is_tried_again(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        at(&v, VOLUME_BUILD_SLOT, now);
        at(&v, VOLUME_BUILD_NOT_NOW, now);
        at(&v, VOLUME_SCAN_STALE_AGAIN, now);
        assert_int_equal(v.state, VOLUME_STALE);
        assert_int_equal(v.failures, 0);
        assert_false(volume_wants_build(&v));
        assert_int_equal(v.timer, now + config.retry);
        at(&v, VOLUME_TIMER, v.timer);
        assert_true(volume_wants_build(&v));
}

static void a_build_that_was_locked_out_is_no_attempt_and_waits_for_the_lock_alone(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        unsigned attempts = v.attempts;
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, now), VOLUME_ACT_BUILD);
        volume_set_lock(&v, VOLUME_LOCK_CLIENT);
        at(&v, VOLUME_BUILD_LOCKED, now);
        assert_int_equal(v.attempts, attempts);
        assert_int_equal(v.failures, 0);
        assert_false(volume_holds_build_slot(&v));
        at(&v, VOLUME_SCAN_STALE_AGAIN, now);
        assert_int_equal(v.state, VOLUME_STALE);
        assert_int_equal(v.holds, VOLUME_HOLD_LOCK);
        assert_false(volume_wants_build(&v));
        volume_set_lock(&v, VOLUME_LOCK_NONE);
        assert_true(volume_wants_build(&v));
}

static void an_untrusted_volume_is_never_built(void **state) {
        Volume v = volume_init(false);
        at(&v, VOLUME_APPEARED, 1);
        at(&v, VOLUME_SCAN_STALE, 2);
        assert_int_equal(v.state, VOLUME_UNTRUSTED);
        at(&v, VOLUME_FORCE_WANTED, 3);
        at(&v, VOLUME_SCAN_STALE, 4);
        assert_int_equal(v.state, VOLUME_UNTRUSTED);
        assert_false(volume_wants_build(&v));
        assert_int_equal(at(&v, VOLUME_TRUST, 5), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_STALE, 6);
        assert_true(volume_wants_build(&v));
        at(&v, VOLUME_DISTRUST, 7);
        assert_int_equal(v.state, VOLUME_UNTRUSTED);
}

static void a_scan_that_does_not_answer_hangs_the_volume_until_it_does(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_TIMER, now + config.scan_timeout);
        assert_int_equal(v.state, VOLUME_HUNG);
        assert_false(volume_busy(&v));
        assert_int_equal(at(&v, VOLUME_SCAN_WANTED, now + 20), 0);
        at(&v, VOLUME_SCAN_FRESH, now + 99);
        assert_int_equal(v.state, VOLUME_FRESH);
}

static void a_build_without_a_sign_of_life_hangs_the_volume_until_there_is_one(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        at(&v, VOLUME_BUILD_SLOT, now);
        assert_int_equal(v.timer, now + config.build_timeout);
        at(&v, VOLUME_BUILD_ALIVE, now + 30);
        assert_int_equal(v.timer, now + 30 + config.build_timeout);
        now = v.timer;
        at(&v, VOLUME_TIMER, now);
        assert_int_equal(v.state, VOLUME_HUNG);
        assert_int_equal(at(&v, VOLUME_SCAN_WANTED, now), 0);
        assert_int_equal(at(&v, VOLUME_BUILD_WANTED, now), 0);
        at(&v, VOLUME_CHANGED, now);
        at(&v, VOLUME_BUILD_ALIVE, now);
        assert_int_equal(v.state, VOLUME_BUILDING);
        assert_true(volume_busy(&v));
        at(&v, VOLUME_TIMER, v.timer);
        assert_int_equal(at(&v, VOLUME_BUILD_SUCCESS, now), VOLUME_ACT_SCAN);
        at(&v, VOLUME_BUILD_ALIVE, now); /* too late */
        assert_int_equal(v.state, VOLUME_SCANNING);
        assert_int_equal(v.timer, now + config.scan_timeout);
}

static void holds_keep_work_back_but_not_from_a_person(void **state) {
        Volume v = fresh_volume();
        volume_hold(&v, VOLUME_HOLD_BOOT, true);
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        assert_false(volume_wants_build(&v));
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, now), 0);
        at(&v, VOLUME_BUILD_WANTED, now);
        at(&v, VOLUME_SCAN_STALE, now);
        assert_true(volume_wants_build(&v));
        volume_set_lock(&v, VOLUME_LOCK_REBOOT);
        assert_false(volume_wants_build(&v));
}

static void a_hurry_waits_for_nothing_but_packages_and_locks(void **state) {
        Volume v = fresh_volume();
        volume_hold(&v, VOLUME_HOLD_BOOT, true);
        at(&v, VOLUME_CHANGED, 100);
        assert_int_equal(at(&v, VOLUME_HURRY_WANTED, 101), VOLUME_ACT_SCAN);
        volume_hold(&v, VOLUME_HOLD_PACKAGES, true); /* it is found at work when something is stale */
        at(&v, VOLUME_SCAN_STALE, 102);
        assert_false(volume_wants_build(&v));
        volume_hold(&v, VOLUME_HOLD_PACKAGES, false);
        assert_true(volume_wants_build(&v));
        volume_set_lock(&v, VOLUME_LOCK_REBOOT);
        assert_false(volume_wants_build(&v));
}

static void a_hurry_does_not_retry_what_was_given_up(void **state) {
        Volume v = fresh_volume();
        uint64_t now = 100;
        at(&v, VOLUME_CHANGED, now);
        now = settle_to_scan(&v, now);
        at(&v, VOLUME_SCAN_STALE, now);
        while (v.state != VOLUME_GIVEN_UP) {
                at(&v, VOLUME_BUILD_SLOT, now);
                at(&v, VOLUME_BUILD_FAILURE, now);
                at(&v, VOLUME_SCAN_STALE_AGAIN, now);
                if (v.state == VOLUME_GIVEN_UP)
                        break;
                now = v.timer;
                at(&v, VOLUME_TIMER, now);
                at(&v, VOLUME_SCAN_STALE_AGAIN, now);
        }
        at(&v, VOLUME_SCAN_WANTED, 1000);
        at(&v, VOLUME_HURRY_WANTED, 1001); /* not while it is being scanned, either */
        at(&v, VOLUME_SCAN_STALE_AGAIN, 1002);
        at(&v, VOLUME_SCAN_STALE_AGAIN, 1003);
        assert_int_equal(v.state, VOLUME_GIVEN_UP);
}

static void a_released_lock_scans_at_once_and_counts(void **state) {
        Volume v = fresh_volume();
        volume_set_lock(&v, VOLUME_LOCK_CLIENT);
        assert_true(volume_busy(&v));
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        assert_false(volume_wants_build(&v));
        volume_set_lock(&v, VOLUME_LOCK_NONE);
        assert_int_equal(at(&v, VOLUME_UNLOCKED_FAILURE, now), VOLUME_ACT_SCAN);
        assert_int_equal(v.failures, 1);
        at(&v, VOLUME_SCAN_STALE, now);
        assert_true(volume_wants_build(&v));
        assert_int_equal(at(&v, VOLUME_UNLOCKED, now), VOLUME_ACT_SCAN);
        assert_int_equal(v.failures, 1);
        assert_int_equal(at(&v, VOLUME_UNLOCKED_SUCCESS, now), 0);
        assert_int_equal(v.failures, 0);
        assert_int_equal(at(&v, VOLUME_SCAN_STALE, now), 0); /* it is built, and scanned after that */
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, now), VOLUME_ACT_BUILD);
        assert_int_equal(at(&v, VOLUME_BUILD_SUCCESS, now), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_FRESH, now);
        assert_false(volume_busy(&v));
}

static void many_unlocks_are_few_scans_but_the_last_is_followed_by_one(void **state) {
        VolumeConfig c = config;
        c.unlock_gap = 5;
        Volume v = fresh_volume(); /* scanned at 1 */
        assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED_SUCCESS, 100), VOLUME_ACT_SCAN);
        assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED_SUCCESS, 101), 0);
        (void) event_at(&v, &c, VOLUME_SCAN_FRESH, 102);
        assert_int_equal(v.state, VOLUME_FRESH);
        assert_int_equal(v.timer, 107);
        assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED_SUCCESS, 103), 0);
        assert_int_equal(v.timer, 107);
        assert_int_equal(event_at(&v, &c, VOLUME_TIMER, 107), VOLUME_ACT_SCAN);
        assert_true(volume_busy(&v));
        (void) event_at(&v, &c, VOLUME_SCAN_FRESH, 108);
        assert_int_equal(v.timer, USEC_INFINITY);
        assert_int_equal(event_at(&v, &c, VOLUME_UNLOCKED_SUCCESS, 110), 0);
        assert_int_equal(v.timer, 113);
}

static void the_lock_of_a_build_is_not_counted(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        at(&v, VOLUME_BUILD_SLOT, now);
        assert_int_equal(at(&v, VOLUME_UNLOCKED_FAILURE, now), 0);
        at(&v, VOLUME_BUILD_FAILURE, now);
        assert_int_equal(v.failures, 1);
}

static void what_is_not_watched_is_scanned_again_and_again(void **state) {
        Volume v = volume_init(true);
        volume_set_watched(&v, false);
        at(&v, VOLUME_APPEARED, 1);
        at(&v, VOLUME_SCAN_FRESH, 2);
        assert_int_equal(v.timer, 2 + config.settle_max);
        assert_int_equal(at(&v, VOLUME_TIMER, v.timer), VOLUME_ACT_SCAN);
        assert_false(volume_busy(&v));
        at(&v, VOLUME_SCAN_STALE, 30);
        at(&v, VOLUME_BUILD_SLOT, 30);
        assert_int_equal(v.timer, 30 + config.build_timeout);
        at(&v, VOLUME_BUILD_SUCCESS, 31);
        at(&v, VOLUME_SCAN_FRESH, 32);
        assert_int_equal(v.timer, 32 + config.settle_max);
}

static void force_builds_what_is_fresh(void **state) {
        Volume v = fresh_volume();
        assert_int_equal(at(&v, VOLUME_FORCE_WANTED, 10), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_FRESH, 11);
        assert_int_equal(at(&v, VOLUME_BUILD_SLOT, 11), VOLUME_ACT_BUILD | VOLUME_ACT_FORCE);
        at(&v, VOLUME_BUILD_SUCCESS, 12);
        at(&v, VOLUME_SCAN_FRESH, 13);
        assert_int_equal(v.state, VOLUME_FRESH);
}

/* As with a build by hand that got the lock while the scan after another client's lock was running. */
static void changes_under_a_lock_released_during_a_scan_do_not_settle(void **state) {
        Volume v = fresh_volume();
        assert_int_equal(at(&v, VOLUME_UNLOCKED_FAILURE, 100), VOLUME_ACT_SCAN);
        at(&v, VOLUME_CHANGED, 101);
        assert_int_equal(at(&v, VOLUME_UNLOCKED_SUCCESS, 102), 0);
        assert_int_equal(at(&v, VOLUME_SCAN_STALE, 103), VOLUME_ACT_SCAN);
        assert_int_equal(v.state, VOLUME_SCANNING);
        assert_true(volume_busy(&v));
        assert_int_equal(at(&v, VOLUME_SCAN_FRESH, 104), 0);
        assert_int_equal(v.state, VOLUME_FRESH);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_change_settles_is_scanned_built_and_scanned_again),
                cmocka_unit_test(each_time_it_settles_anew),
                cmocka_unit_test(endless_change_does_not_keep_stale_work_waiting),
                cmocka_unit_test(each_change_restarts_settling_but_not_for_ever),
                cmocka_unit_test(a_storm_costs_a_bounded_number_of_timers),
                cmocka_unit_test(a_change_during_the_build_is_followed_by_a_scan_and_a_build),
                cmocka_unit_test(failures_wait_longer_each_time_and_end),
                cmocka_unit_test(what_a_failed_build_wrote_is_no_reason_to_try_at_once),
                cmocka_unit_test(a_build_that_changes_nothing_ends_given_up),
                cmocka_unit_test(builds_that_something_undoes_each_time_end_given_up),
                cmocka_unit_test(scans_that_fail_wait_longer_each_time_and_end),
                cmocka_unit_test(not_now_is_no_failure_and_is_tried_again),
                cmocka_unit_test(a_build_that_was_locked_out_is_no_attempt_and_waits_for_the_lock_alone),
                cmocka_unit_test(an_untrusted_volume_is_never_built),
                cmocka_unit_test(a_scan_that_does_not_answer_hangs_the_volume_until_it_does),
                cmocka_unit_test(a_build_without_a_sign_of_life_hangs_the_volume_until_there_is_one),
                cmocka_unit_test(holds_keep_work_back_but_not_from_a_person),
                cmocka_unit_test(a_hurry_waits_for_nothing_but_packages_and_locks),
                cmocka_unit_test(a_hurry_does_not_retry_what_was_given_up),
                cmocka_unit_test(a_released_lock_scans_at_once_and_counts),
                cmocka_unit_test(many_unlocks_are_few_scans_but_the_last_is_followed_by_one),
                cmocka_unit_test(the_lock_of_a_build_is_not_counted),
                cmocka_unit_test(what_is_not_watched_is_scanned_again_and_again),
                cmocka_unit_test(force_builds_what_is_fresh),
                cmocka_unit_test(changes_under_a_lock_released_during_a_scan_do_not_settle),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
