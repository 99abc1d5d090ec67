/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define WAITS _OUTCOME_MAX

static const Wait scan = {WAIT_FOR_SCAN, 0}, build = {WAIT_FOR_BUILD, 5}, unmount = {WAIT_FOR_UNMOUNT, 5};
static const Milestone scanned = {.kind = MILESTONE_SCANNED}, state_reached = {.kind = MILESTONE_STATE};

static Volume volume_in(VolumeState state) {
        Volume v = volume_init(true);
        v.state = state;
        return v;
}

static void only_a_call_for_a_scan_is_answered_by_the_end_of_one(void **state) {
        for (VolumeState s = 0; s < _VOLUME_STATE_MAX; s++) {
                Volume v = volume_in(s);
                assert_int_equal(wait_outcome(&scan, &scanned, &v), OUTCOME_SCANNED);
                assert_int_equal(wait_outcome(&build, &scanned, &v), WAITS);
                assert_int_equal(wait_outcome(&unmount, &scanned, &v), WAITS);
        }
}

static void a_build_answers_calls_that_came_before_it_began(void **state) {
        Volume v = volume_in(VOLUME_SCANNING);
        static const struct {
                uint64_t number;
                Outcome well, badly;
        } builds[] = {
                {4, WAITS, WAITS},
                {5, OUTCOME_DONE, OUTCOME_BUILD_FAILED},
                {6, OUTCOME_DONE, OUTCOME_BUILD_FAILED},
                {NOTHING_TO_BUILD, OUTCOME_DONE, OUTCOME_BUILD_FAILED},
        };
        for (size_t i = 0; i < ELEMENTSOF(builds); i++) {
                const Milestone well = {MILESTONE_BUILT, builds[i].number, true},
                                badly = {MILESTONE_BUILT, builds[i].number, false};
                assert_int_equal(wait_outcome(&build, &well, &v), builds[i].well);
                assert_int_equal(wait_outcome(&build, &badly, &v), builds[i].badly);
                assert_int_equal(wait_outcome(&scan, &well, &v), WAITS);
        }
}

static void an_unmount_waits_for_the_scan_after_the_build(void **state) {
        Volume v = volume_in(VOLUME_FRESH);
        const Milestone built = {MILESTONE_BUILT, 6, true},
                        nothing = {MILESTONE_BUILT, NOTHING_TO_BUILD, true};
        assert_int_equal(wait_outcome(&unmount, &built, &v), WAITS);
        assert_int_equal(wait_outcome(&unmount, &nothing, &v), OUTCOME_DONE);
        v.state = VOLUME_FAILED;
        assert_int_equal(wait_outcome(&unmount, &nothing, &v), OUTCOME_OWED);
}

/* By the state in which nothing more happens by itself. */
static void at_rest_nobody_is_left_waiting(void **state) {
        static const struct {
                VolumeState state;
                Outcome build, unmount;
        } rests[] = {
                {VOLUME_PLAIN, OUTCOME_NO_MANIFEST, OUTCOME_DONE},
                {VOLUME_REFUSED, OUTCOME_REFUSED, OUTCOME_DONE},
                {VOLUME_UNTRUSTED, OUTCOME_UNTRUSTED, OUTCOME_DONE},
                {VOLUME_FRESH, OUTCOME_DONE, OUTCOME_DONE},
                {VOLUME_FAILED, OUTCOME_BUILD_FAILED, OUTCOME_OWED},
                {VOLUME_GIVEN_UP, OUTCOME_BUILD_FAILED, OUTCOME_DONE},
        };
        for (size_t i = 0; i < ELEMENTSOF(rests); i++) {
                Volume v = volume_in(rests[i].state);
                assert_true(wait_rests(&v));
                assert_int_equal(wait_outcome(&scan, &state_reached, &v), OUTCOME_SCANNED);
                assert_int_equal(wait_outcome(&build, &state_reached, &v), rests[i].build);
                assert_int_equal(wait_outcome(&unmount, &state_reached, &v), rests[i].unmount);
        }
}

static void what_goes_on_is_waited_for(void **state) {
        static const VolumeState goes_on[] = {VOLUME_NEW, VOLUME_SETTLING, VOLUME_SCANNING, VOLUME_STALE,
                                              VOLUME_BUILDING};
        for (size_t i = 0; i < ELEMENTSOF(goes_on); i++) {
                Volume v = volume_in(goes_on[i]);
                assert_false(wait_rests(&v));
                assert_int_equal(wait_outcome(&scan, &state_reached, &v), WAITS);
                assert_int_equal(wait_outcome(&build, &state_reached, &v), WAITS);
                assert_int_equal(wait_outcome(&unmount, &state_reached, &v), WAITS);
        }
}

static void a_volume_that_hangs_answers_all(void **state) {
        Volume v = volume_in(VOLUME_HUNG);
        assert_false(wait_rests(&v));
        assert_int_equal(wait_outcome(&scan, &state_reached, &v), OUTCOME_HUNG);
        assert_int_equal(wait_outcome(&build, &state_reached, &v), OUTCOME_HUNG);
        assert_int_equal(wait_outcome(&unmount, &state_reached, &v), OUTCOME_HUNG);
}

/* Its holder may itself be waiting for the unmount. */
static void a_lock_answers_an_unmount_alone(void **state) {
        Volume v = volume_in(VOLUME_STALE);
        volume_set_lock(&v, VOLUME_LOCK_REBOOT);
        assert_int_equal(wait_outcome(&unmount, &state_reached, &v), OUTCOME_OWED);
        assert_int_equal(wait_outcome(&build, &state_reached, &v), WAITS);
        assert_int_equal(wait_outcome(&scan, &state_reached, &v), WAITS);
        volume_set_lock(&v, VOLUME_LOCK_NONE);
        volume_hold(&v, VOLUME_HOLD_PACKAGES, true); /* which will pass */
        assert_int_equal(wait_outcome(&unmount, &state_reached, &v), WAITS);
}

/* A scan is none the worse for it. */
static void a_block_answers_all_that_wait_for_a_build(void **state) {
        Volume v = volume_in(VOLUME_STALE);
        volume_hold(&v, VOLUME_HOLD_BLOCKED, true);
        assert_int_equal(wait_outcome(&build, &state_reached, &v), OUTCOME_BLOCKED);
        assert_int_equal(wait_outcome(&unmount, &state_reached, &v), OUTCOME_DONE);
        assert_int_equal(wait_outcome(&scan, &state_reached, &v), WAITS);
        volume_set_lock(&v, VOLUME_LOCK_CLIENT);
        assert_int_equal(wait_outcome(&build, &state_reached, &v), OUTCOME_BLOCKED);
        assert_int_equal(wait_outcome(&unmount, &state_reached, &v), OUTCOME_OWED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_a_call_for_a_scan_is_answered_by_the_end_of_one),
                cmocka_unit_test(a_build_answers_calls_that_came_before_it_began),
                cmocka_unit_test(an_unmount_waits_for_the_scan_after_the_build),
                cmocka_unit_test(at_rest_nobody_is_left_waiting),
                cmocka_unit_test(what_goes_on_is_waited_for),
                cmocka_unit_test(a_volume_that_hangs_answers_all),
                cmocka_unit_test(a_lock_answers_an_unmount_alone),
                cmocka_unit_test(a_block_answers_all_that_wait_for_a_build),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
