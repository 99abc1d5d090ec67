/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Locks: examples, and every sequence of what three clients may do to two volumes and the reboot lock. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/core/lock.h"

static void there_is_one_holder_and_the_others_wait_in_order(void **state) {
        Lock l = {}, reboot = {};
        LockRequest second = {}, third = {};
        assert_int_equal(lock_ask(&l, &reboot, 1, NULL), LOCK_GRANTED);
        assert_int_equal(lock_ask(&l, &reboot, 1, NULL), LOCK_ALREADY);
        assert_int_equal(lock_ask(&l, &reboot, 2, NULL), LOCK_BUSY);
        assert_int_equal(lock_ask(&l, &reboot, 2, &second), LOCK_WAITS);
        assert_int_equal(lock_ask(&l, &reboot, 3, &third), LOCK_WAITS);
        assert_int_equal(lock_ask(&l, &reboot, 3, &third), LOCK_ALREADY);
        assert_int_equal(lock_waiters(&l), 2);
        assert_null(lock_next(&l, &reboot));
        assert_int_equal(lock_give_back(&l, 2), LOCK_NOT_HOLDER);
        assert_int_equal(lock_give_back(&l, 1), LOCK_FREED);
        assert_ptr_equal(lock_next(&l, &reboot), &second);
        assert_int_equal(l.holder, 2);
        lock_leave(&l, &third);
        assert_int_equal(lock_give_back(&l, 2), LOCK_FREED);
        assert_null(lock_next(&l, &reboot));
        assert_int_equal(lock_give_back(&l, 2), LOCK_NOT_LOCKED);
}

static void nobody_overtakes_the_line(void **state) {
        Lock l = {}, reboot = {};
        LockRequest second = {};
        assert_int_equal(lock_ask(&l, &reboot, 1, NULL), LOCK_GRANTED);
        assert_int_equal(lock_ask(&l, &reboot, 2, &second), LOCK_WAITS);
        assert_int_equal(lock_give_back(&l, 1), LOCK_FREED);
        assert_int_equal(lock_ask(&l, &reboot, 3, NULL), LOCK_BUSY);
        assert_ptr_equal(lock_next(&l, &reboot), &second);
}

static void nobody_waits_twice(void **state) {
        Lock l = {}, reboot = {};
        LockRequest second = {}, again = {};
        assert_int_equal(lock_ask(&l, &reboot, 1, NULL), LOCK_GRANTED);
        assert_int_equal(lock_wait(&l, 1, &again), LOCK_ALREADY); /* as holder */
        assert_int_equal(lock_ask(&l, &reboot, 1, &again), LOCK_ALREADY);
        assert_int_equal(lock_wait(&l, 2, &second), LOCK_WAITS);
        assert_int_equal(lock_wait(&l, 2, &again), LOCK_ALREADY); /* as one in line, */
        assert_int_equal(lock_ask(&l, &reboot, 2, &again), LOCK_ALREADY);
        assert_int_equal(lock_ask(&l, &reboot, 2, NULL), LOCK_ALREADY); /* whether it would wait or not */
        assert_int_equal(lock_waiters(&l), 1);
        assert_ptr_equal(lock_find(&l, 2), &second);
        assert_null(lock_find(&l, 1));
        lock_leave(&l, &second);
}

static void the_reboot_lock_stops_the_others(void **state) {
        Lock l = {}, reboot = {};
        LockRequest second = {};
        assert_int_equal(lock_ask(&l, &reboot, 1, NULL), LOCK_GRANTED);
        assert_int_equal(lock_ask(&l, &reboot, 2, &second), LOCK_WAITS);
        assert_int_equal(lock_ask(&reboot, NULL, 3, NULL), LOCK_GRANTED);
        assert_int_equal(lock_ask(&l, &reboot, 4, NULL), LOCK_REBOOT_IN_PROGRESS);
        assert_int_equal(lock_give_back(&l, 1), LOCK_FREED);
        assert_null(lock_next(&l, &reboot));
        assert_int_equal(lock_give_back(&reboot, 3), LOCK_FREED);
        assert_ptr_equal(lock_next(&l, &reboot), &second);
}

/* The exploration. A node is given by the holders and the order of the waiters; it is set up in real locks
 * for each move. */

enum { CLIENTS = 3, VOLUMES = 2, REBOOT = VOLUMES, LOCKS };

typedef struct Node {
        uint8_t holder[LOCKS];
        uint8_t line[LOCKS][CLIENTS]; /* clients in order, then 0 */
} Node;

typedef struct World {
        Lock locks[LOCKS];
        LockRequest requests[CLIENTS + 1][LOCKS];
} World;

typedef struct Seen {
        Node node;
        UT_hash_handle hh;
} Seen;

typedef enum Move {
        ASK,
        ASK_WAITING,
        GIVE_BACK,
        VANISH,
        VOLUME_GONE, /* and there again, free */
        _MOVE_MAX,
} Move;

static void set_up(World *w, const Node *n) {
        memset(w, 0, sizeof(*w));
        for (unsigned i = 0; i < LOCKS; i++) {
                w->locks[i].holder = n->holder[i];
                for (unsigned c = 0; c < CLIENTS && n->line[i][c]; c++)
                        assert_int_equal(
                                lock_wait(&w->locks[i], n->line[i][c], &w->requests[n->line[i][c]][i]),
                                LOCK_WAITS);
        }
}

static Node take_down(World *w) {
        Node n = {};
        for (unsigned i = 0; i < LOCKS; i++) {
                unsigned c = 0;
                LockRequest *r;
                n.holder[i] = (uint8_t) w->locks[i].holder;
                while ((r = lock_first(&w->locks[i]))) {
                        assert_true(c < CLIENTS);
                        n.line[i][c++] = (uint8_t) r->client;
                        lock_leave(&w->locks[i], r);
                }
        }
        return n;
}

/* The reboot lock is granted when nothing holds it up; here: when no volume is locked. */
static bool is_idle(const World *w) {
        return w->locks[0].holder == 0 && w->locks[1].holder == 0;
}

static bool is_in_line(const World *w, unsigned lock, LockClient client) {
        return w->requests[client][lock].hh.tbl && w->requests[client][lock].client == client;
}

static void grant(World *w) {
        for (unsigned i = 0; i < LOCKS; i++) {
                LockRequest *first = lock_first(&w->locks[i]), *next;
                if (i == REBOOT && !is_idle(w))
                        continue;
                next = lock_next(&w->locks[i], i == REBOOT ? NULL : &w->locks[REBOOT]);
                if (!next)
                        continue;
                assert_ptr_equal(next, first); /* first come, first served */
                if (i != REBOOT)
                        assert_int_equal(w->locks[REBOOT].holder, 0);
        }
}

static void leave_all(World *w, LockClient client, unsigned lock) {
        if (is_in_line(w, lock, client))
                lock_leave(&w->locks[lock], &w->requests[client][lock]);
}

static void ask(World *w, unsigned lock, LockClient client, bool wait) {
        Lock *l = &w->locks[lock];
        LockClient before = l->holder;
        LockRequest *request = &w->requests[client][lock];
        int r;
        if (lock == REBOOT) {
                if (wait)
                        (void) lock_wait(l, client, request);
                return;
        }
        r = lock_ask(l, &w->locks[REBOOT], client, wait ? request : NULL);
        if (w->locks[REBOOT].holder != 0)
                assert_int_equal(r, LOCK_REBOOT_IN_PROGRESS);
        else if (before == client)
                assert_int_equal(r, LOCK_ALREADY);
        else if (before == 0 && r == LOCK_GRANTED)
                assert_int_equal(l->holder, client);
        if (r != LOCK_GRANTED)
                assert_int_equal(l->holder, before);
        if (r == LOCK_WAITS)
                assert_true(wait);
}

static void make(World *w, Move move, unsigned lock, LockClient client) {
        LockClient before = w->locks[lock].holder;
        LockRequest *r;
        switch (move) {
        case ASK:
        case ASK_WAITING:
                ask(w, lock, client, move == ASK_WAITING);
                break;
        case GIVE_BACK:
                assert_int_equal(lock_give_back(&w->locks[lock], client), before == client ? LOCK_FREED
                                                                          : before == 0    ? LOCK_NOT_LOCKED
                                                                                           : LOCK_NOT_HOLDER);
                break;
        case VANISH:
                for (unsigned i = 0; i < LOCKS; i++) {
                        leave_all(w, client, i);
                        if (w->locks[i].holder == client)
                                assert_int_equal(lock_give_back(&w->locks[i], client), LOCK_FREED);
                }
                break;
        case VOLUME_GONE:
                while (lock < REBOOT && (r = lock_first(&w->locks[lock])))
                        lock_leave(&w->locks[lock], r);
                if (lock < REBOOT)
                        w->locks[lock].holder = 0;
                break;
        case _MOVE_MAX:
                break;
        }
}

static void check(const Node *before, const Node *n) {
        for (unsigned i = 0; i < LOCKS; i++) {
                /* never a volume lock granted while the reboot lock is held */
                if (i != REBOOT && before->holder[REBOOT] != 0 && n->holder[REBOOT] != 0)
                        assert_true(n->holder[i] == before->holder[i] || n->holder[i] == 0);
                /* a holder does not wait, and nobody waits twice */
                for (unsigned c = 0; c < CLIENTS && n->line[i][c]; c++) {
                        assert_int_not_equal(n->line[i][c], n->holder[i]);
                        for (unsigned d = 0; d < c; d++)
                                assert_int_not_equal(n->line[i][c], n->line[i][d]);
                }
                /* nobody waits for a free lock, unless the reboot lock is in the way or held up */
                if (i != REBOOT && n->holder[i] == 0 && n->holder[REBOOT] == 0)
                        assert_int_equal(n->line[i][0], 0);
        }
        if (n->holder[REBOOT] == 0 && n->holder[0] == 0 && n->holder[1] == 0)
                assert_int_equal(n->line[REBOOT][0], 0);
}

static void arrive(Seen **seen, const Node *node, unsigned long *n_states) {
        Seen *s;
        HASH_FIND(hh, *seen, node, sizeof(*node), s);
        if (s)
                return;
        s = calloc(1, sizeof(*s));
        assert_non_null(s);
        s->node = *node;
        HASH_ADD(hh, *seen, node, sizeof(Node), s);
        (*n_states)++;
}

static void the_invariants_hold_whatever_three_clients_do(void **state) {
        static const Node nothing;
        unsigned long n_states = 0, n_moves = 0;
        Seen *seen = NULL, *s, *next;
        arrive(&seen, &nothing, &n_states);
        for (s = seen; s; s = s->hh.next)
                for (unsigned move = 0; move < _MOVE_MAX; move++)
                        for (unsigned lock = 0; lock < LOCKS; lock++)
                                for (LockClient client = 1; client <= CLIENTS; client++) {
                                        World w;
                                        set_up(&w, &s->node);
                                        make(&w, (Move) move, lock, client);
                                        grant(&w);
                                        Node n = take_down(&w);
                                        check(&s->node, &n);
                                        arrive(&seen, &n, &n_states);
                                        n_moves++;
                                }
        print_message("# explored %lu states, %lu moves\n", n_states, n_moves);
        assert_true(n_states > 100);
        HASH_ITER (hh, seen, s, next) {
                HASH_DEL(seen, s);
                free(s);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(there_is_one_holder_and_the_others_wait_in_order),
                cmocka_unit_test(nobody_overtakes_the_line),
                cmocka_unit_test(nobody_waits_twice),
                cmocka_unit_test(the_reboot_lock_stops_the_others),
                cmocka_unit_test(the_invariants_hold_whatever_three_clients_do),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
