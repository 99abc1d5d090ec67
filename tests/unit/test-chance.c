/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/chance.h"

#include "scratch.h"

/* What the last chance means for a trusted volume in each state. */
static void each_state_means_something(void **state) {
        static const struct {
                VolumeState state;
                bool hurry, pending, owed;
        } all[] = {
                {VOLUME_NEW, true, true, false},       {VOLUME_PLAIN, false, false, false},
                {VOLUME_REFUSED, false, false, false}, {VOLUME_UNTRUSTED, false, false, false},
                {VOLUME_FRESH, false, false, false},   {VOLUME_SETTLING, true, true, true},
                {VOLUME_SCANNING, true, true, false},  {VOLUME_STALE, true, true, true},
                {VOLUME_BUILDING, true, true, true},   {VOLUME_FAILED, true, false, true},
                {VOLUME_GIVEN_UP, false, false, true}, {VOLUME_HUNG, false, false, true},
        };
        assert_int_equal(ELEMENTSOF(all), _VOLUME_STATE_MAX);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                Volume v = volume_init(true);
                v.state = all[i].state;
                assert_int_equal(chance_needs_hurry(&v), all[i].hurry);
                assert_int_equal(chance_is_pending(&v), all[i].pending);
                assert_int_equal(chance_is_owed(&v), all[i].owed);
                v.trusted = false;
                assert_false(chance_needs_hurry(&v) || chance_is_pending(&v) || chance_is_owed(&v));
        }
}

static void what_may_have_changed_unseen_is_scanned(void **state) {
        Volume v = volume_init(true);
        v.state = VOLUME_FRESH;
        v.unwatched = true;
        assert_true(chance_needs_hurry(&v));
        v.unwatched = false;
        v.unlocked = true;
        assert_true(chance_needs_hurry(&v));
        v.unlocked = false;
        v.changed = true;
        assert_true(chance_needs_hurry(&v));
}

/* A mount covers what would be built: that is owed, but no wait helps. */
static void what_cannot_be_built_is_owed_and_not_waited_for(void **state) {
        Volume v = volume_init(true);
        v.state = VOLUME_STALE;
        v.holds = VOLUME_HOLD_BLOCKED;
        assert_false(chance_is_pending(&v));
        assert_true(chance_is_owed(&v));
        v.holds = VOLUME_HOLD_PACKAGES;
        assert_true(chance_is_pending(&v));
}

static void a_scan_because_of_a_change_is_owed(void **state) {
        Volume v = volume_init(true);
        v.state = VOLUME_SCANNING;
        v.owed = true;
        assert_true(chance_is_owed(&v));
}

static void it_ends_without_a_sign_of_life_and_in_any_case(void **state) {
        const Chance c = {.begun = 1000, .patience = 90};
        assert_int_equal(chance_end(&c, 0), 1090);
        assert_int_equal(chance_end(&c, 500), 1090); /* of a build long ago */
        assert_int_equal(chance_end(&c, 1050), 1140);
        assert_int_equal(chance_end(&c, 1180), 1270);
        assert_int_equal(chance_end(&c, 1200), 1270);
        assert_int_equal(chance_end(&(Chance){.begun = 1000}, 1200), 1000);
        assert_true(chance_end(&(Chance){.begun = 1000, .patience = USEC_INFINITY}, 2000) < USEC_INFINITY);
        assert_true(chance_end(&(Chance){.begun = 1000, .patience = USEC_INFINITY / 2}, 2000) <
                    USEC_INFINITY);
}

static void why_it_ends_is_known(void **state) {
        const Chance c = {.begun = 1000, .patience = 90};
        assert_true(chance_ends_in_silence(&c, 0));
        assert_true(chance_ends_in_silence(&c, 1179));
        assert_false(chance_ends_in_silence(&c, 1180));
        assert_false(chance_ends_in_silence(&c, 1200));
        assert_false(chance_ends_in_silence(&(Chance){.begun = 1000}, 0)); /* nothing is waited for */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_state_means_something),
                cmocka_unit_test(what_may_have_changed_unseen_is_scanned),
                cmocka_unit_test(what_cannot_be_built_is_owed_and_not_waited_for),
                cmocka_unit_test(a_scan_because_of_a_change_is_owed),
                cmocka_unit_test(it_ends_without_a_sign_of_life_and_in_any_case),
                cmocka_unit_test(why_it_ends_is_known),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
