/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/inhibition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static unsigned wanted(InhibitionFacts f) {
        return inhibition_wanted(&f);
}

static void delay_is_held_while_something_is_kept(void **state) {
        const InhibitionFacts kept = {.setting = INHIBITION_DELAYS, .kept = true};
        assert_int_equal(wanted((InhibitionFacts){.setting = INHIBITION_DELAYS}), 0);
        assert_int_equal(wanted(kept), INHIBITOR_DELAY);
        InhibitionFacts owed = kept;
        owed.owed = owed.moving = true;
        assert_int_equal(wanted(owed), INHIBITOR_DELAY);
        owed.held = INHIBITOR_DELAY;
        assert_int_equal(wanted(owed), INHIBITOR_DELAY);
}

static void block_is_weak_and_only_for_a_switch_unless_the_administrator_wants_more(void **state) {
        InhibitionFacts f = {.setting = INHIBITION_DELAYS, .kept = true, .owed = true, .moving = true};
        f.switching = true;
        assert_int_equal(wanted(f), INHIBITOR_DELAY | INHIBITOR_WEAK);
        f.setting = INHIBITION_BLOCKS; /* one block is enough */
        assert_int_equal(wanted(f), INHIBITOR_DELAY | INHIBITOR_BLOCK);
        f.switching = false;
        assert_int_equal(wanted(f), INHIBITOR_DELAY | INHIBITOR_BLOCK);
        f.owed = f.moving = false;
        assert_int_equal(wanted(f), INHIBITOR_DELAY);
        f.switching = true; /* of a volume that the daemon does not keep: built by hand */
        assert_int_equal(wanted(f), INHIBITOR_DELAY | INHIBITOR_WEAK);
}

static void client_that_goes_down_with_our_consent_is_not_blocked(void **state) {
        InhibitionFacts f = {.setting = INHIBITION_BLOCKS, .kept = true, .owed = true, .moving = true};
        f.reboot_locked = true;
        assert_int_equal(wanted(f), INHIBITOR_DELAY);
        f.preparing = true;
        f.held = INHIBITOR_DELAY;
        assert_int_equal(wanted(f), 0); /* nothing is built while the reboot lock is held */
}

static void delay_is_given_up_where_systemd_refuses(void **state) {
        InhibitionFacts f = {.setting = INHIBITION_DELAYS, .kept = true, .owed = true, .moving = true};
        f.refused = f.switching = true;
        f.held = INHIBITOR_DELAY;
        assert_int_equal(wanted(f), INHIBITOR_WEAK);
        f.preparing = true;
        assert_int_equal(wanted(f), 0);
}

static void while_logind_prepares_what_is_held_stays_until_nothing_moves(void **state) {
        InhibitionFacts f = {.setting = INHIBITION_DELAYS, .kept = true, .owed = true, .moving = true};
        f.preparing = true;
        assert_int_equal(wanted(f), 0);
        f.held = INHIBITOR_DELAY;
        assert_int_equal(wanted(f), INHIBITOR_DELAY);
        f.moving = false; /* owed all the same: a build that failed */
        assert_int_equal(wanted(f), 0);
        f.switching = true;
        assert_int_equal(wanted(f), 0);
        f.held = INHIBITOR_DELAY | INHIBITOR_WEAK;
        assert_int_equal(wanted(f), INHIBITOR_WEAK);
}

static InhibitionFacts facts_of_number(unsigned n) {
        return (InhibitionFacts){
                .setting = n % _INHIBITION_SETTING_MAX,
                .held = n / 4 % 8,
                .kept = n & 1U << 5,
                .owed = n & 1U << 6,
                .moving = n & 1U << 7,
                .switching = n & 1U << 8,
                .refused = n & 1U << 9,
                .reboot_locked = n & 1U << 10,
                .preparing = n & 1U << 11,
        };
}

/* Whatever else is so. */
static void rules_hold_for_all_facts(void **state) {
        for (unsigned n = 0; n < 3U << 12; n++) {
                const InhibitionFacts f = facts_of_number(n);
                unsigned w = inhibition_wanted(&f);
                assert_int_equal(w & ~7U, 0);
                if (f.setting == INHIBITION_NO)
                        assert_int_equal(w, 0);
                if (f.preparing)
                        assert_int_equal(w & ~f.held, 0);
                if (w & INHIBITOR_DELAY)
                        assert_true(f.kept && !f.refused);
                if (w & INHIBITOR_WEAK)
                        assert_true(f.switching);
                if (w & INHIBITOR_BLOCK)
                        assert_true(f.setting == INHIBITION_BLOCKS && f.owed && !f.reboot_locked);
                assert_false(w & INHIBITOR_WEAK && w & INHIBITOR_BLOCK);
                InhibitionFacts after = f; /* logind has granted it: that is the end of it */
                after.held = w;
                assert_int_equal(inhibition_wanted(&after), w);
        }
}

static void shutdown_matters_to_what_is_trusted_and_has_a_manifest(void **state) {
        static const bool concerned[_VOLUME_STATE_MAX] = {
                [VOLUME_FRESH] = true,    [VOLUME_SETTLING] = true, [VOLUME_SCANNING] = true,
                [VOLUME_STALE] = true,    [VOLUME_BUILDING] = true, [VOLUME_FAILED] = true,
                [VOLUME_GIVEN_UP] = true, [VOLUME_HUNG] = true,
        };
        for (VolumeState s = 0; s < _VOLUME_STATE_MAX; s++) {
                Volume v = volume_init(true);
                v.state = s;
                assert_int_equal(inhibition_concerns(&v), concerned[s]);
                v.trusted = false;
                assert_false(inhibition_concerns(&v));
        }
}

static void what_waits_for_its_retry_or_hangs_does_not_move(void **state) {
        static const struct {
                VolumeState state;
                bool moves, moves_unseen;
        } all[] = {
                {VOLUME_FRESH, false, true},   {VOLUME_SETTLING, true, true}, {VOLUME_STALE, true, true},
                {VOLUME_BUILDING, true, true}, {VOLUME_FAILED, false, true},  {VOLUME_GIVEN_UP, false, true},
                {VOLUME_HUNG, false, false},   {VOLUME_NEW, false, true},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                Volume v = volume_init(true);
                v.state = all[i].state;
                assert_int_equal(inhibition_moves(&v, false), all[i].moves);
                assert_int_equal(inhibition_moves(&v, true), all[i].moves_unseen);
                v.trusted = false;
                assert_false(inhibition_moves(&v, true));
        }
}

static void modes_are_those_of_logind(void **state) {
        assert_string_equal(inhibitor_mode(INHIBITOR_DELAY, true), "delay");
        assert_string_equal(inhibitor_mode(INHIBITOR_DELAY, false), "delay");
        assert_string_equal(inhibitor_mode(INHIBITOR_WEAK, true), "block-weak");
        assert_string_equal(inhibitor_mode(INHIBITOR_WEAK, false), "block");
        assert_string_equal(inhibitor_mode(INHIBITOR_BLOCK, true), "block");
        assert_string_equal(inhibitor_mode(INHIBITOR_BLOCK, false), "block");
}

static void settings_have_words(void **state) {
        static const char *const words[] = {"no", "delay", "block"};
        static const char *const bad[] = {"", "No", "yes", "delays", "block-weak"};
        InhibitionSetting s = _INHIBITION_SETTING_MAX;
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                assert_int_equal(inhibition_setting_from_string(words[i], &s), 0);
                assert_int_equal(s, i);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(inhibition_setting_from_string(bad[i], &s), -EINVAL);
                assert_int_equal(s, INHIBITION_BLOCKS);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(delay_is_held_while_something_is_kept),
                cmocka_unit_test(block_is_weak_and_only_for_a_switch_unless_the_administrator_wants_more),
                cmocka_unit_test(client_that_goes_down_with_our_consent_is_not_blocked),
                cmocka_unit_test(delay_is_given_up_where_systemd_refuses),
                cmocka_unit_test(while_logind_prepares_what_is_held_stays_until_nothing_moves),
                cmocka_unit_test(rules_hold_for_all_facts),
                cmocka_unit_test(shutdown_matters_to_what_is_trusted_and_has_a_manifest),
                cmocka_unit_test(what_waits_for_its_retry_or_hangs_does_not_move),
                cmocka_unit_test(modes_are_those_of_logind),
                cmocka_unit_test(settings_have_words),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
