/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state machine of a volume: first as a person would tell its story, then every reachable state. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/volume.h"

static const VolumeConfig config = {
        .settle = 8, .settle_max = 24, .scan_timeout = 10, .retry = 6, .max_failures = 3, .max_attempts = 5};

#define at(v, event, now) volume_event((v), &config, (event), (now))

/* A trusted volume that was scanned at time 1 and found fresh. */
static Volume fresh_volume(void) {
        Volume v = volume_init(true);
        assert_int_equal(at(&v, VOLUME_APPEARED, 1), VOLUME_ACT_SCAN);
        assert_int_equal(v.state, VOLUME_NEW);
        at(&v, VOLUME_SCAN_FRESH, 1);
        assert_int_equal(v.state, VOLUME_FRESH);
        return v;
}

/* Lets V settle from its change at NOW until it scans; returns when. */
static uint64_t settle_to_scan(Volume *v, uint64_t now) {
        for (;;) {
                assert_int_equal(v->state, VOLUME_SETTLING);
                now = v->timer;
                if (at(v, VOLUME_TIMER, now) == VOLUME_ACT_SCAN)
                        return now;
        }
}

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
        assert_int_equal(at(&v, VOLUME_SLOT, 109), VOLUME_ACT_BUILD);
        assert_int_equal(v.state, VOLUME_BUILDING);
        assert_int_equal(at(&v, VOLUME_BUILD_SUCCESS, 120), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_FRESH, 121);
        assert_int_equal(v.state, VOLUME_FRESH);
        assert_false(volume_busy(&v));
        assert_int_equal(v.attempts, 0);
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
        at(&v, VOLUME_SLOT, now);
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
                assert_int_equal(at(&v, VOLUME_SLOT, now), VOLUME_ACT_BUILD);
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

        /* a change is worth one more try, no more */
        at(&v, VOLUME_CHANGED, now + 100);
        now = settle_to_scan(&v, now + 100);
        at(&v, VOLUME_SCAN_STALE, now);
        assert_int_equal(at(&v, VOLUME_SLOT, now), VOLUME_ACT_BUILD);
        at(&v, VOLUME_BUILD_FAILURE, now);
        at(&v, VOLUME_SCAN_STALE_AGAIN, now);
        assert_int_equal(v.state, VOLUME_GIVEN_UP);
}

static void what_a_failed_build_wrote_is_no_reason_to_try_at_once(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        at(&v, VOLUME_SLOT, now);
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
                        at(&v, VOLUME_SLOT, now);
                        builds++;
                        at(&v, VOLUME_BUILD_SUCCESS, now);
                } else {
                        now = v.timer;
                        assert_int_not_equal(now, USEC_INFINITY);
                        at(&v, VOLUME_TIMER, now);
                }
                at(&v, VOLUME_SCAN_STALE_AGAIN, now);
        }
        assert_int_equal(builds, config.max_attempts);
}

static void not_now_is_no_failure_and_is_tried_again(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        at(&v, VOLUME_SLOT, now);
        at(&v, VOLUME_BUILD_NOT_NOW, now);
        at(&v, VOLUME_SCAN_STALE_AGAIN, now);
        assert_int_equal(v.state, VOLUME_STALE);
        assert_int_equal(v.failures, 0);
        assert_false(volume_wants_build(&v));
        assert_int_equal(v.timer, now + config.retry);
        at(&v, VOLUME_TIMER, v.timer);
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

static void holds_keep_work_back_but_not_from_a_person(void **state) {
        Volume v = fresh_volume();
        volume_hold(&v, VOLUME_HOLD_BOOT, true);
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        assert_false(volume_wants_build(&v));
        assert_int_equal(at(&v, VOLUME_SLOT, now), 0);
        at(&v, VOLUME_BUILD_WANTED, now);
        at(&v, VOLUME_SCAN_STALE, now);
        assert_true(volume_wants_build(&v));
        volume_hold(&v, VOLUME_HOLD_LOCK, true);
        assert_false(volume_wants_build(&v));
}

static void a_released_lock_scans_at_once_and_counts(void **state) {
        Volume v = fresh_volume();
        v.locked = true;
        volume_hold(&v, VOLUME_HOLD_LOCK, true);
        assert_true(volume_busy(&v));
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        assert_false(volume_wants_build(&v));
        v.locked = false;
        volume_hold(&v, VOLUME_HOLD_LOCK, false);
        assert_int_equal(at(&v, VOLUME_UNLOCKED_FAILURE, now), VOLUME_ACT_SCAN);
        assert_int_equal(v.failures, 1);
        at(&v, VOLUME_SCAN_STALE, now);
        assert_true(volume_wants_build(&v));
        assert_int_equal(at(&v, VOLUME_UNLOCKED, now), VOLUME_ACT_SCAN);
        assert_int_equal(v.failures, 1);
        assert_int_equal(at(&v, VOLUME_UNLOCKED_SUCCESS, now), 0);
        assert_int_equal(v.failures, 0);
        assert_int_equal(at(&v, VOLUME_SCAN_STALE, now), 0); /* it is built, and scanned behind that */
        assert_int_equal(at(&v, VOLUME_SLOT, now), VOLUME_ACT_BUILD);
        assert_int_equal(at(&v, VOLUME_BUILD_SUCCESS, now), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_FRESH, now);
        assert_false(volume_busy(&v));
}

static void many_unlocks_are_few_scans_but_the_last_is_followed_by_one(void **state) {
        VolumeConfig c = config;
        c.unlock_gap = 5;
        Volume v = fresh_volume(); /* scanned at 1 */
        assert_int_equal(volume_event(&v, &c, VOLUME_UNLOCKED_SUCCESS, 100), VOLUME_ACT_SCAN);
        assert_int_equal(volume_event(&v, &c, VOLUME_UNLOCKED_SUCCESS, 101), 0);
        (void) volume_event(&v, &c, VOLUME_SCAN_FRESH, 102);
        assert_int_equal(v.state, VOLUME_FRESH);
        assert_int_equal(v.timer, 107);
        assert_int_equal(volume_event(&v, &c, VOLUME_UNLOCKED_SUCCESS, 103), 0);
        assert_int_equal(v.timer, 107);
        assert_int_equal(volume_event(&v, &c, VOLUME_TIMER, 107), VOLUME_ACT_SCAN);
        assert_true(volume_busy(&v));
        (void) volume_event(&v, &c, VOLUME_SCAN_FRESH, 108);
        assert_int_equal(v.timer, USEC_INFINITY);
}

static void the_lock_of_a_build_is_not_counted(void **state) {
        Volume v = fresh_volume();
        at(&v, VOLUME_CHANGED, 100);
        uint64_t now = settle_to_scan(&v, 100);
        at(&v, VOLUME_SCAN_STALE, now);
        at(&v, VOLUME_SLOT, now);
        assert_int_equal(at(&v, VOLUME_UNLOCKED_FAILURE, now), 0);
        at(&v, VOLUME_BUILD_FAILURE, now);
        assert_int_equal(v.failures, 1);
}

static void what_is_not_watched_is_scanned_again_and_again(void **state) {
        Volume v = volume_init(true);
        v.unwatched = true;
        at(&v, VOLUME_APPEARED, 1);
        at(&v, VOLUME_SCAN_FRESH, 2);
        assert_int_equal(v.timer, 2 + config.settle_max);
        assert_int_equal(at(&v, VOLUME_TIMER, v.timer), VOLUME_ACT_SCAN);
        assert_false(volume_busy(&v));
        at(&v, VOLUME_SCAN_STALE, 30);
        at(&v, VOLUME_SLOT, 30);
        assert_int_equal(v.timer, USEC_INFINITY);
        at(&v, VOLUME_BUILD_SUCCESS, 31);
        at(&v, VOLUME_SCAN_FRESH, 32);
        assert_int_equal(v.timer, 32 + config.settle_max);
}

static void force_builds_what_is_fresh(void **state) {
        Volume v = fresh_volume();
        assert_int_equal(at(&v, VOLUME_FORCE_WANTED, 10), VOLUME_ACT_SCAN);
        at(&v, VOLUME_SCAN_FRESH, 11);
        assert_int_equal(at(&v, VOLUME_SLOT, 11), VOLUME_ACT_BUILD | VOLUME_ACT_FORCE);
        at(&v, VOLUME_BUILD_SUCCESS, 12);
        at(&v, VOLUME_SCAN_FRESH, 13);
        assert_int_equal(v.state, VOLUME_FRESH);
}

/* Every reachable state. A node is the machine, what the test keeps beside it, and how long ago things were.
 */

typedef struct Node {
        Volume v;
        bool obliged; /* something changed, and no scan has begun since */
} Node;

typedef struct Seen {
        Node node;
        UT_hash_handle hh;
} Seen;

typedef struct Exploration {
        Seen *seen;
        unsigned long states, steps;
        bool state_seen[_VOLUME_STATE_MAX];
        bool transition[_VOLUME_STATE_MAX][_VOLUME_STATE_MAX];
} Exploration;

/* Small numbers keep the number of different moments small. */
static const VolumeConfig tiny = {
        .settle = 2, .settle_max = 4, .scan_timeout = 4, .retry = 2, .max_failures = 2, .max_attempts = 3};

#define NOW 1000000U /* every node is looked at as if it were now */

/* Moves a time of the machine from NOW to NOW again after D have passed; what is long past is all alike. */
static uint64_t shifted(uint64_t t, uint64_t d) {
        if (t == USEC_INFINITY || t == 0)
                return t;
        t -= d;
        return MAX(t, NOW - 2 * tiny.settle_max);
}

static void normalise(Node *n, uint64_t passed) {
        n->v.timer = shifted(n->v.timer, passed);
        n->v.first_change = shifted(n->v.first_change, passed);
        n->v.last_change = n->v.state == VOLUME_SETTLING ? shifted(n->v.last_change, passed) : 0;
        n->v.retry_at =
                n->v.retry_at > NOW + passed ? shifted(n->v.retry_at, passed) : MIN(n->v.retry_at, 1U);
        n->v.scanned_at = 0;
        n->v.failures = MIN(n->v.failures, tiny.max_failures + 1);
        n->v.attempts = MIN(n->v.attempts, tiny.max_attempts + 1);
}

static bool waits_for_the_world(VolumeState s) {
        return s == VOLUME_PLAIN || s == VOLUME_REFUSED || s == VOLUME_UNTRUSTED || s == VOLUME_FRESH ||
               s == VOLUME_GIVEN_UP;
}

static void check_invariants(const Node *n) {
        const Volume *v = &n->v;
        assert_false(v->scan_runs && v->build_runs);
        assert_int_equal(v->state == VOLUME_BUILDING, v->build_runs);
        if (v->state == VOLUME_SCANNING || v->state == VOLUME_HUNG)
                assert_true(v->scan_runs);
        if (waits_for_the_world(v->state) || v->state == VOLUME_HUNG)
                assert_false(volume_busy(v));
        if (!v->trusted)
                assert_false(volume_busy(v));
        /* every wait has an end */
        if (v->state == VOLUME_SETTLING || v->state == VOLUME_FAILED ||
            (v->scan_runs && v->state != VOLUME_HUNG))
                assert_int_not_equal(v->timer, USEC_INFINITY);
        if (v->state == VOLUME_STALE)
                assert_true(volume_wants_build(v) || v->timer != USEC_INFINITY ||
                            (v->holds & (VOLUME_HOLD_BOOT | VOLUME_HOLD_LOCK)));
        if (v->state == VOLUME_SETTLING)
                assert_true(v->timer <= NOW + tiny.settle_max);
        /* a change is followed by a scan: where nothing is under way, nothing is owed */
        if (waits_for_the_world(v->state) && !v->scan_runs)
                assert_false(n->obliged);
        if (n->obliged && v->scan_runs)
                assert_true(v->changed);
        /* whoever rests listens */
        if (waits_for_the_world(v->state) && !v->scan_runs)
                assert_true(volume_listens(v));
}

/* uthash keeps the order of arrival, so the table is the queue too. */
static void arrive(Exploration *x, const Node *node) {
        Seen *s;
        HASH_FIND(hh, x->seen, node, sizeof(*node), s);
        if (s)
                return;
        s = calloc(1, sizeof(*s));
        assert_non_null(s);
        memcpy(&s->node, node, sizeof(*node));
        HASH_ADD(hh, x->seen, node, sizeof(Node), s);
        x->states++;
        x->state_seen[node->v.state] = true;
}

static void step(Exploration *x, const Node *from, VolumeEvent event, uint64_t passed) {
        Node n;
        memcpy(&n, from, sizeof(n));
        if (event == VOLUME_CHANGED)
                n.obliged = true;
        unsigned actions = volume_event(&n.v, &tiny, event, NOW + passed);
        x->steps++;
        if (actions & VOLUME_ACT_SCAN) {
                assert_false(from->v.build_runs && event < VOLUME_BUILD_SUCCESS);
                assert_true(n.v.scan_runs);
                n.obliged = false;
        }
        if (actions & VOLUME_ACT_BUILD) {
                assert_true(from->v.trusted);
                assert_false(from->v.scan_runs);
                assert_true(n.v.build_runs);
        }
        if (actions & VOLUME_ACT_FORCE)
                assert_true(actions & VOLUME_ACT_BUILD);
        x->transition[from->v.state][n.v.state] = true;
        normalise(&n, passed);
        check_invariants(&n);
        arrive(x, &n);
}

/* May EVENT come in this state? Only what really can: a scan ends only if one runs. */
static bool possible(const Volume *v, VolumeEvent e) {
        if (e == VOLUME_APPEARED)
                return false;
        if (e >= VOLUME_SCAN_FRESH && e <= VOLUME_SCAN_ERROR)
                return v->scan_runs;
        if (e >= VOLUME_BUILD_SUCCESS && e <= VOLUME_BUILD_FAILURE)
                return v->build_runs;
        if (e == VOLUME_SLOT)
                return volume_wants_build(v);
        if (e == VOLUME_CHANGED)
                return volume_listens(v) || v->state == VOLUME_SETTLING;
        return true;
}

static void expand(Exploration *x, const Node *node) {
        for (int e = 0; e < _VOLUME_EVENT_MAX; e++) {
                if (!possible(&node->v, (VolumeEvent) e))
                        continue;
                if (e == VOLUME_TIMER && node->v.timer == USEC_INFINITY)
                        continue;
                uint64_t passed = e == VOLUME_TIMER && node->v.timer > NOW ? node->v.timer - NOW : 0;
                step(x, node, (VolumeEvent) e, passed);
        }
        Node held;
        memcpy(&held, node, sizeof(held));
        volume_hold(&held.v, VOLUME_HOLD_BOOT, !(held.v.holds & VOLUME_HOLD_BOOT));
        check_invariants(&held);
        arrive(x, &held);
}

static void the_invariants_hold_in_every_reachable_state(void **state) {
        /* The transitions of the table in architecture.md, each of which must have been taken. */
        static const VolumeState table[][2] = {
                {VOLUME_NEW, VOLUME_PLAIN},          {VOLUME_NEW, VOLUME_REFUSED},
                {VOLUME_NEW, VOLUME_UNTRUSTED},      {VOLUME_NEW, VOLUME_FRESH},
                {VOLUME_NEW, VOLUME_STALE},          {VOLUME_NEW, VOLUME_HUNG},
                {VOLUME_NEW, VOLUME_SETTLING},       {VOLUME_NEW, VOLUME_FAILED},
                {VOLUME_PLAIN, VOLUME_SETTLING},     {VOLUME_REFUSED, VOLUME_SETTLING},
                {VOLUME_UNTRUSTED, VOLUME_SETTLING}, {VOLUME_UNTRUSTED, VOLUME_SCANNING},
                {VOLUME_FRESH, VOLUME_SETTLING},     {VOLUME_FRESH, VOLUME_UNTRUSTED},
                {VOLUME_SETTLING, VOLUME_SCANNING},  {VOLUME_SCANNING, VOLUME_FRESH},
                {VOLUME_SCANNING, VOLUME_STALE},     {VOLUME_SCANNING, VOLUME_PLAIN},
                {VOLUME_SCANNING, VOLUME_REFUSED},   {VOLUME_SCANNING, VOLUME_UNTRUSTED},
                {VOLUME_SCANNING, VOLUME_HUNG},      {VOLUME_SCANNING, VOLUME_FAILED},
                {VOLUME_SCANNING, VOLUME_GIVEN_UP},  {VOLUME_SCANNING, VOLUME_SETTLING},
                {VOLUME_STALE, VOLUME_BUILDING},     {VOLUME_STALE, VOLUME_UNTRUSTED},
                {VOLUME_STALE, VOLUME_SETTLING},     {VOLUME_BUILDING, VOLUME_SCANNING},
                {VOLUME_FAILED, VOLUME_SCANNING},    {VOLUME_FAILED, VOLUME_SETTLING},
                {VOLUME_FAILED, VOLUME_UNTRUSTED},   {VOLUME_GIVEN_UP, VOLUME_SETTLING},
                {VOLUME_GIVEN_UP, VOLUME_SCANNING},  {VOLUME_GIVEN_UP, VOLUME_UNTRUSTED},
                {VOLUME_HUNG, VOLUME_FRESH},         {VOLUME_HUNG, VOLUME_STALE},
                {VOLUME_HUNG, VOLUME_SETTLING},
        };
        Exploration x = {};
        for (int trusted = 0; trusted <= 1; trusted++) {
                Node n;
                memset(&n, 0, sizeof(n)); /* padding too: nodes are compared as bytes */
                Volume v = volume_init(trusted);
                memcpy(&n.v, &v, sizeof(v));
                (void) volume_event(&n.v, &tiny, VOLUME_APPEARED, NOW);
                arrive(&x, &n);
        }
        for (Seen *s = x.seen; s; s = s->hh.next)
                expand(&x, &s->node);
        for (int s = 0; s < _VOLUME_STATE_MAX; s++)
                if (!x.state_seen[s])
                        fail_msg("state %s was never reached", volume_state_to_string((VolumeState) s));
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (!x.transition[table[i][0]][table[i][1]])
                        fail_msg("%s -> %s was never taken", volume_state_to_string(table[i][0]),
                                 volume_state_to_string(table[i][1]));
        assert_true(x.states > 1000);
        print_message("# explored %lu states, %lu steps\n", x.states, x.steps);
        Seen *s, *next;
        HASH_ITER (hh, x.seen, s, next) {
                HASH_DEL(x.seen, s);
                free(s);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_change_settles_is_scanned_built_and_scanned_again),
                cmocka_unit_test(each_change_restarts_settling_but_not_for_ever),
                cmocka_unit_test(a_storm_costs_a_bounded_number_of_timers),
                cmocka_unit_test(a_change_during_the_build_is_followed_by_a_scan_and_a_build),
                cmocka_unit_test(failures_wait_longer_each_time_and_end),
                cmocka_unit_test(what_a_failed_build_wrote_is_no_reason_to_try_at_once),
                cmocka_unit_test(a_build_that_changes_nothing_ends_given_up),
                cmocka_unit_test(not_now_is_no_failure_and_is_tried_again),
                cmocka_unit_test(an_untrusted_volume_is_never_built),
                cmocka_unit_test(a_scan_that_does_not_answer_hangs_the_volume_until_it_does),
                cmocka_unit_test(holds_keep_work_back_but_not_from_a_person),
                cmocka_unit_test(a_released_lock_scans_at_once_and_counts),
                cmocka_unit_test(many_unlocks_are_few_scans_but_the_last_is_followed_by_one),
                cmocka_unit_test(the_lock_of_a_build_is_not_counted),
                cmocka_unit_test(what_is_not_watched_is_scanned_again_and_again),
                cmocka_unit_test(force_builds_what_is_fresh),
                cmocka_unit_test(the_invariants_hold_in_every_reachable_state),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
