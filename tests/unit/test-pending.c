/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: daemon/pending.c daemon/answer.c */

#include "daemon/pending.h"

#include "buspair.h"
#include "volumerecord.h"

static const Peer peer = {.id = 1};

typedef struct Asked {
        BusPair bus;
        Waiters all;
        Record *record;
} Asked;

static int set_up(void **state) {
        Asked *a = calloc(1, sizeof(*a));
        assert_non_null(a);
        bus_pair_init(&a->bus);
        a->record = volume("sda2", "/mnt");
        *state = a;
        return 0;
}

static int tear_down(void **state) {
        Asked *a = *state;
        assert_null(a->all.clients); /* nobody was left waiting */
        record_free(a->record);
        bus_pair_done(&a->bus);
        free(a);
        return 0;
}

static void ask(Asked *a, WaitFor what) {
        const Caller caller = {&peer, bus_pair_call(&a->bus)};
        assert_int_equal(pending_add(&a->all, a->record, what, &caller), 0);
}

#define next_reply(a) bus_pair_reply(&(a)->bus)

static void the_end_of_a_scan_is_told_to_all_who_wait_for_one(void **state) {
        Asked *a = *state;
        ask(a, WAIT_FOR_SCAN);
        ask(a, WAIT_FOR_BUILD);
        ask(a, WAIT_FOR_SCAN);
        pending_answer_scans(a->record, "stale");
        assert_string_equal(next_reply(a), "0: stale");
        assert_string_equal(next_reply(a), "2: stale");
        assert_string_equal(next_reply(a), "none");
        pending_answer_rebuilds(a->record, a->record->builds + 1, true);
        assert_string_equal(next_reply(a), "1: done");
}

static void a_build_that_had_begun_before_the_call_does_not_answer_it(void **state) {
        Asked *a = *state;
        a->record->builds = 3;
        ask(a, WAIT_FOR_BUILD);
        pending_answer_rebuilds(a->record, 3, true);
        assert_string_equal(next_reply(a), "none");
        assert_true(free_and_strdup(&a->record->problem, "it was Monday") >= 0);
        pending_answer_rebuilds(a->record, 4, false);
        assert_string_equal(next_reply(a),
                            "0: org.bootkeep1.Error.BuildFailed: Building sda2 failed: it was Monday");
}

static void at_rest_the_scans_are_answered_before_the_others(void **state) {
        Asked *a = *state;
        ask(a, WAIT_FOR_BUILD);
        ask(a, WAIT_FOR_SCAN);
        a->record->volume.state = VOLUME_SCANNING;
        pending_answer_resting(a->record);
        assert_string_equal(next_reply(a), "none");
        a->record->volume.state = VOLUME_FRESH;
        pending_answer_resting(a->record);
        assert_string_equal(next_reply(a), "1: fresh");
        assert_string_equal(next_reply(a), "0: done");
}

static void a_build_that_cannot_be_is_refused_with_its_reason(void **state) {
        Asked *a = *state;
        static const struct {
                VolumeState state;
                const char *reply;
        } all[] = {
                {VOLUME_PLAIN, "0: org.bootkeep1.Error.BuildFailed: sda2 has no manifest"},
                {VOLUME_REFUSED, "1: org.bootkeep1.Error.BuildFailed: The manifest of sda2 was refused: no"},
                {VOLUME_UNTRUSTED, "2: org.bootkeep1.Error.NotReady: sda2 is not trusted"},
                {VOLUME_GIVEN_UP, "3: org.bootkeep1.Error.BuildFailed: Building sda2 failed: no"},
                {VOLUME_HUNG, "4: org.bootkeep1.Error.NotReady: sda2 is not responding"},
        };
        assert_true(free_and_strdup(&a->record->problem, "no") >= 0);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                ask(a, WAIT_FOR_BUILD);
                a->record->volume.state = all[i].state;
                pending_answer_resting(a->record);
                assert_string_equal(next_reply(a), all[i].reply);
        }
}

static void while_the_settings_are_unread_a_build_is_refused_and_a_scan_goes_on(void **state) {
        Asked *a = *state;
        a->record->volume.state = VOLUME_STALE;
        volume_hold(&a->record->volume, VOLUME_HOLD_BLOCKED, true);
        a->record->unread = "x.conf:3";
        ask(a, WAIT_FOR_SCAN);
        ask(a, WAIT_FOR_BUILD);
        pending_answer_resting(a->record);
        assert_string_equal(
                next_reply(a),
                "1: org.bootkeep1.Error.NotReady: Nothing is built until this is corrected: x.conf:3");
        assert_string_equal(next_reply(a), "none");
        pending_answer_scans(a->record, "stale");
        assert_string_equal(next_reply(a), "0: stale");
}

static void what_is_prepared_for_an_unmount_is_not_held_for_a_while(void **state) {
        Asked *a = *state;
        uint64_t now = now_usec();
        ask(a, WAIT_FOR_UNMOUNT);
        ask(a, WAIT_FOR_BUILD);
        a->record->volume.state = VOLUME_FRESH;
        pending_answer_rebuilds(a->record, 1, true); /* the scan after it is yet to come */
        assert_string_equal(next_reply(a), "1: done");
        assert_int_equal(a->record->unpinned_until, 0);
        pending_answer_resting(a->record);
        assert_string_equal(next_reply(a), "0: done");
        assert_true(a->record->unpinned_until >= now + 10 * USEC_PER_SEC);
        assert_true(a->record->unpinned_until <= now_usec() + 10 * USEC_PER_SEC);
}

static void what_is_owed_keeps_it_from_being_unmounted(void **state) {
        Asked *a = *state;
        a->record->volume.state = VOLUME_FAILED;
        ask(a, WAIT_FOR_UNMOUNT);
        pending_answer_resting(a->record);
        assert_string_equal(next_reply(a), "0: org.bootkeep1.Error.Busy: Work is owed on sda2: failed");
        assert_true(free_and_strdup(&a->record->reason, "cache x: never") >= 0);
        ask(a, WAIT_FOR_UNMOUNT);
        pending_answer_resting(a->record);
        assert_string_equal(next_reply(a),
                            "1: org.bootkeep1.Error.Busy: Work is owed on sda2: cache x: never");
        assert_int_equal(a->record->unpinned_until, 0);
}

#define asked_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                asked_test(the_end_of_a_scan_is_told_to_all_who_wait_for_one),
                asked_test(a_build_that_had_begun_before_the_call_does_not_answer_it),
                asked_test(at_rest_the_scans_are_answered_before_the_others),
                asked_test(a_build_that_cannot_be_is_refused_with_its_reason),
                asked_test(while_the_settings_are_unread_a_build_is_refused_and_a_scan_goes_on),
                asked_test(what_is_prepared_for_an_unmount_is_not_held_for_a_while),
                asked_test(what_is_owed_keeps_it_from_being_unmounted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
