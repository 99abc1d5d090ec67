/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state machine of a volume: every reachable state. A node is the machine, what the test keeps beside it,
 * and how long ago things were. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/core/volume.h"

typedef struct Node {
        Volume v;
        bool obliged; /* something changed or somebody asked, and no scan has begun since */
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
static const VolumeConfig tiny = {.settle = 2,
                                  .settle_max = 4,
                                  .unwatched = 4,
                                  .scan_timeout = 4,
                                  .build_timeout = 6,
                                  .retry = 2,
                                  .max_failures = 2,
                                  .max_attempts = 3};

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

/* As docs/man/org.bootkeep1.5.scd has it. */
static bool must_be_busy(const Volume *v, bool locked) {
        static const bool always[_VOLUME_STATE_MAX] = {
                [VOLUME_STALE] = true, [VOLUME_BUILDING] = true, [VOLUME_FAILED] = true};
        static const bool if_locked[_VOLUME_STATE_MAX] = {[VOLUME_NEW] = true,
                                                          [VOLUME_FRESH] = true,
                                                          [VOLUME_SETTLING] = true,
                                                          [VOLUME_SCANNING] = true};
        bool changed = v->state == VOLUME_SETTLING || (v->state == VOLUME_SCANNING && v->owed);
        return v->trusted &&
               (always[v->state] || (changed && !v->given_up) || (locked && if_locked[v->state]));
}

static void check_busy(const Volume *v) {
        for (int locked = 0; locked <= 1; locked++) {
                Volume copy = *v;
                copy.locked = locked;
                assert_int_equal(volume_busy(&copy), must_be_busy(v, locked));
        }
}

static void check_invariants(const Node *n) {
        const Volume *v = &n->v;
        assert_false(v->scan_runs && v->build_runs);
        assert_int_equal(v->build_runs,
                         v->state == VOLUME_BUILDING || (v->state == VOLUME_HUNG && !v->scan_runs));
        if (v->state == VOLUME_SCANNING)
                assert_true(v->scan_runs);
        check_busy(v);
        /* every wait has an end */
        if (v->state == VOLUME_SETTLING || v->state == VOLUME_FAILED ||
            ((v->scan_runs || v->build_runs) && v->state != VOLUME_HUNG))
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
                assert_true(v->changed || v->again);
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

/* What a scan must follow. Of a volume that hangs nothing is asked. */
static bool obliges(const Volume *v, VolumeEvent event) {
        bool asks =
                event == VOLUME_SCAN_WANTED || event == VOLUME_BUILD_WANTED || event == VOLUME_FORCE_WANTED;
        return event == VOLUME_CHANGED || (asks && v->state != VOLUME_HUNG);
}

static void step(Exploration *x, const Node *from, VolumeEvent event, uint64_t passed) {
        Node n;
        memcpy(&n, from, sizeof(n));
        n.obliged = n.obliged || obliges(&from->v, event);
        unsigned actions = volume_event(&n.v, &tiny, event, NOW + passed);
        x->steps++;
        if (event == VOLUME_CHANGED) /* a storm costs nothing more */
                assert_false(volume_listens(&n.v));
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
        if (e == VOLUME_BUILD_ALIVE)
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
                {VOLUME_HUNG, VOLUME_SETTLING},      {VOLUME_HUNG, VOLUME_SCANNING},
                {VOLUME_HUNG, VOLUME_BUILDING},      {VOLUME_BUILDING, VOLUME_HUNG},
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
                cmocka_unit_test(the_invariants_hold_in_every_reachable_state),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
