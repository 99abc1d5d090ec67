/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The real calls and replies of a bus, but for the daemon in between. */

#include "daemon/waiter.h"

#include "buspair.h"

static const Peer alice = {.id = 1}, bob = {.id = 2}, carol = {.id = 3};

/* All that may wait, and a record of who left a line. */
typedef struct Hall {
        BusPair bus;
        Waiters all;
        WaiterQueue queue;
        Lock lock;
        unsigned left;
} Hall;

#define RECORD ((struct Record *) 0x10)

static int open_hall(void **state) {
        Hall *h = calloc(1, sizeof(*h));
        assert_non_null(h);
        bus_pair_init(&h->bus);
        TAILQ_INIT(&h->queue);
        *state = h;
        return 0;
}

static int close_hall(void **state) {
        Hall *h = *state;
        assert_null(h->all.clients);
        assert_true(TAILQ_EMPTY(&h->queue));
        assert_null(h->lock.line);
        bus_pair_done(&h->bus);
        free(h);
        return 0;
}

static Waiter *arrive(Hall *h, const Peer *peer) {
        const Caller caller = {peer, bus_pair_call(&h->bus)};
        Waiter *w = waiter_new(&h->all, &caller, RECORD, (Wait){WAIT_FOR_BUILD, 7});
        assert_non_null(w);
        assert_ptr_equal(w->record, RECORD);
        assert_int_equal(w->wait.what, WAIT_FOR_BUILD);
        assert_int_equal(w->wait.build, 7);
        return w;
}

static Waiter *queue_up(Hall *h, const Peer *peer) {
        Waiter *w = arrive(h, peer);
        waiter_join_queue(w, &h->queue);
        return w;
}

static Waiter *stand_in_line(Hall *h, const Peer *peer) {
        Waiter *w = arrive(h, peer);
        assert_int_equal(lock_wait(&h->lock, peer->id, &w->request), LOCK_WAITS);
        waiter_join_line(w, &h->lock);
        return w;
}

static void each_is_answered_once_and_forgotten(void **state) {
        Hall *h = *state;
        static char *names[] = {(char *) "sda", NULL};
        Waiter *first = queue_up(h, &alice), *second = queue_up(h, &alice), *third = queue_up(h, &bob);
        waiter_answer(second, OUTCOME_DONE, NULL, NULL);
        waiter_answer(third, OUTCOME_HUNG, "sda", NULL);
        assert_ptr_equal(TAILQ_FIRST(&h->queue), first);
        assert_null(TAILQ_NEXT(first, in_queue));
        waiter_answer_names(first, names);
        assert_string_equal(bus_pair_reply(&h->bus), "1: done");
        assert_string_equal(bus_pair_reply(&h->bus),
                            "2: org.bootkeep1.Error.NotReady: sda is not responding");
        assert_string_equal(bus_pair_reply(&h->bus), "0: 1 names, sda first");
        assert_string_equal(bus_pair_reply(&h->bus), "none");
}

static void one_that_is_dropped_is_not_answered(void **state) {
        Hall *h = *state;
        assert_null(waiter_free(NULL));
        assert_null(waiter_free(arrive(h, &alice)));
        assert_null(waiter_free(queue_up(h, &alice)));
        assert_null(waiter_free(stand_in_line(h, &alice)));
        assert_string_equal(bus_pair_reply(&h->bus), "none");
}

static void a_lock_goes_to_the_first_in_its_line(void **state) {
        Hall *h = *state;
        Lock reboot = {.holder = 99};
        Waiter *a = stand_in_line(h, &alice), *b = stand_in_line(h, &bob);
        assert_ptr_equal(waiter_first(&h->lock), a);
        assert_ptr_equal(waiter_next(a), b);
        assert_null(waiter_next(b));
        assert_null(waiter_take_lock(&h->lock, &reboot));
        assert_ptr_equal(waiter_take_lock(&h->lock, NULL), a);
        assert_int_equal(h->lock.holder, alice.id);
        assert_ptr_equal(waiter_first(&h->lock), b);
        assert_null(waiter_take_lock(&h->lock, NULL)); /* it is held */
        waiter_answer(a, OUTCOME_DONE, NULL, NULL);
        assert_string_equal(bus_pair_reply(&h->bus), "0: done");
        waiter_answer(b, OUTCOME_REBOOT_SOON, NULL, NULL);
        assert_null(waiter_first(&h->lock));
}

static void a_line_is_answered_from_its_head(void **state) {
        Hall *h = *state;
        stand_in_line(h, &bob);
        stand_in_line(h, &alice);
        waiters_answer_line(&h->lock, OUTCOME_REBOOT_SOON, NULL);
        assert_string_equal(bus_pair_reply(&h->bus),
                            "0: org.bootkeep1.Error.RebootInProgress: The system is about to go down");
        assert_string_equal(bus_pair_reply(&h->bus),
                            "1: org.bootkeep1.Error.RebootInProgress: The system is about to go down");
}

static void all_that_wait_for_a_volume_are_told_that_it_is_gone(void **state) {
        Hall *h = *state;
        stand_in_line(h, &alice);
        queue_up(h, &bob);
        queue_up(h, &alice);
        waiters_answer_gone(&h->queue, &h->lock, "sda");
        assert_string_equal(bus_pair_reply(&h->bus), "1: org.bootkeep1.Error.NoSuchVolume: sda is gone");
        assert_string_equal(bus_pair_reply(&h->bus), "2: org.bootkeep1.Error.NoSuchVolume: sda is gone");
        assert_string_equal(bus_pair_reply(&h->bus), "0: org.bootkeep1.Error.NoSuchVolume: sda is gone");
}

static void note_left(void *userdata, struct Record *record) {
        Hall *h = userdata;
        assert_ptr_equal(record, RECORD);
        assert_null(lock_find(&h->lock, alice.id)); /* it has left */
        h->left++;
}

static void a_client_that_vanishes_loses_its_place_everywhere(void **state) {
        Hall *h = *state;
        Waiter *b = stand_in_line(h, &bob);
        stand_in_line(h, &alice);
        queue_up(h, &alice);
        Waiter *queued = queue_up(h, &bob);
        waiters_drop_client(&h->all, carol.id, note_left, h); /* waits for nothing */
        assert_int_equal(h->left, 0);
        waiters_drop_client(&h->all, alice.id, note_left, h);
        assert_int_equal(h->left, 1);
        assert_ptr_equal(waiter_first(&h->lock), b);
        assert_null(waiter_next(b));
        assert_ptr_equal(TAILQ_FIRST(&h->queue), queued);
        assert_null(TAILQ_NEXT(queued, in_queue));
        assert_string_equal(bus_pair_reply(&h->bus), "none");
        waiters_drop_all(&h->all);
        assert_string_equal(bus_pair_reply(&h->bus), "none");
}

static void note_late(void *userdata, Waiter *w) {
        *(Waiter **) userdata = w;
}

static void its_limit_is_reported_unless_it_was_answered(void **state) {
        Hall *h = *state;
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        Waiter *late = NULL, *answered = queue_up(h, &alice), *w = queue_up(h, &bob);
        assert_true(sd_event_new(&event) >= 0);
        uint64_t now = now_usec();
        assert_true(waiter_set_limit(answered, event, now + 1, note_late, &late) >= 0);
        assert_true(waiter_set_limit(w, event, now + 2, note_late, &late) >= 0);
        waiter_answer(answered, OUTCOME_DONE, NULL, NULL);
        while (!late)
                assert_true(sd_event_run(event, UINT64_MAX) >= 0);
        assert_ptr_equal(late, w);
        assert_true(now_usec() >= now + 2);
        waiter_free(w);
}

#define hall_test(f) cmocka_unit_test_setup_teardown(f, open_hall, close_hall)

int main(void) {
        const struct CMUnitTest tests[] = {
                hall_test(each_is_answered_once_and_forgotten),
                hall_test(one_that_is_dropped_is_not_answered),
                hall_test(a_lock_goes_to_the_first_in_its_line),
                hall_test(a_line_is_answered_from_its_head),
                hall_test(all_that_wait_for_a_volume_are_told_that_it_is_gone),
                hall_test(a_client_that_vanishes_loses_its_place_everywhere),
                hall_test(its_limit_is_reported_unless_it_was_answered),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
