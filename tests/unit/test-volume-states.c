/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state machine of a volume: every reachable state, from every beginning, with every possible event and
 * any passing of time; and the table in docs/map.md, which must match the machine. */

/* tests: daemon/core/volume-state.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/core/volume.h"

/* A node is the machine, and whether something is owed that it must not forget. It is packed into 64 bits and
 * evaluated as if it were always NOW: times are relative, and times equally in the past are equal. */
typedef struct Node {
        Volume v;
        bool obliged; /* something changed or was requested, and no scan has begun since */
} Node;

/* The current node, for the message if an invariant is broken. */
static struct {
        Node from;
        const char *event;
} tried;

static const char *const event_names[_VOLUME_EVENT_MAX] = {
        [VOLUME_APPEARED] = "APPEARED",
        [VOLUME_CHANGED] = "CHANGED",
        [VOLUME_TIMER] = "TIMER",
        [VOLUME_SCAN_SLOT] = "SCAN_SLOT",
        [VOLUME_SCAN_FRESH] = "SCAN_FRESH",
        [VOLUME_SCAN_STALE] = "SCAN_STALE",
        [VOLUME_SCAN_STALE_AGAIN] = "SCAN_STALE_AGAIN",
        [VOLUME_SCAN_NONE] = "SCAN_NONE",
        [VOLUME_SCAN_REFUSED] = "SCAN_REFUSED",
        [VOLUME_SCAN_ERROR] = "SCAN_ERROR",
        [VOLUME_BUILD_SLOT] = "BUILD_SLOT",
        [VOLUME_BUILD_ADOPTED] = "BUILD_ADOPTED",
        [VOLUME_BUILD_ALIVE] = "BUILD_ALIVE",
        [VOLUME_BUILD_SUCCESS] = "BUILD_SUCCESS",
        [VOLUME_BUILD_NOT_NOW] = "BUILD_NOT_NOW",
        [VOLUME_BUILD_LOCKED] = "BUILD_LOCKED",
        [VOLUME_BUILD_FAILURE] = "BUILD_FAILURE",
        [VOLUME_UNLOCKED] = "UNLOCKED",
        [VOLUME_UNLOCKED_SUCCESS] = "UNLOCKED_SUCCESS",
        [VOLUME_UNLOCKED_FAILURE] = "UNLOCKED_FAILURE",
        [VOLUME_TRUST] = "TRUST",
        [VOLUME_DISTRUST] = "DISTRUST",
        [VOLUME_SCAN_WANTED] = "SCAN_WANTED",
        [VOLUME_HURRY_WANTED] = "HURRY_WANTED",
        [VOLUME_BUILD_WANTED] = "BUILD_WANTED",
        [VOLUME_FORCE_WANTED] = "FORCE_WANTED",
};

static void broken(int line, const char *condition) {
        const Volume *v = &tried.from.v;
        print_error(
                "%s, timer %lli, holds %x, waived %x, failures %u, attempts %u%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
                volume_state_to_string(v->state), v->timer == USEC_INFINITY ? -1 : (long long) v->timer,
                v->holds, v->waived, v->failures, v->attempts, v->trusted ? " trusted" : "",
                v->locked ? " locked" : "", v->unwatched ? " unwatched" : "", v->scan_due ? " scan_due" : "",
                v->scan_runs ? " scan_runs" : "", v->build_runs ? " build_runs" : "",
                v->changed ? " changed" : "", v->owed ? " owed" : "", v->unlocked ? " unlocked" : "",
                v->again ? " again" : "", v->force ? " force" : "", v->given_up ? " given_up" : "",
                tried.from.obliged ? " obliged" : "");
        fail_msg("line %i: not so after %s: %s", line, tried.event, condition);
}

/* The asserts of cmocka are calls, and there would be a billion of them. */
#define must(condition)                                                                                      \
        do {                                                                                                 \
                if (!(condition))                                                                            \
                        broken(__LINE__, #condition);                                                        \
        } while (0)

/* Small numbers keep the number of different times small. */
static const VolumeConfig tiny = {.settle = 2,
                                  .settle_max = 3,
                                  .unwatched = 2,
                                  .scan_timeout = 2,
                                  .build_timeout = 2,
                                  .retry = 1,
                                  .unlock_gap = 1,
                                  .max_failures = 2,
                                  .max_attempts = 2};

#define NOW UINT64_C(1000000)

/* Packs one field after the other into 64 bits, or unpacks them. */
typedef struct Packer {
        uint64_t bits;
        unsigned n;
        bool unpack;
} Packer;

static inline uint64_t take_bits(Packer *p, uint64_t value, unsigned width) {
        uint64_t mask = (UINT64_C(1) << width) - 1;
        if (p->unpack)
                value = p->bits >> p->n & mask;
        else
                p->bits |= value << p->n;
        must(value <= mask);
        p->n += width;
        return value;
}

#define take_bool(p, b) ((b) = take_bits((p), (b), 1))
#define take_number(p, number, width) ((number) = (unsigned) take_bits((p), (number), (width)))

/* A moment from now on, or USEC_INFINITY. */
static inline void take_future(Packer *p, uint64_t *t) {
        uint64_t n = take_bits(p, *t == USEC_INFINITY ? 15 : *t - NOW, 4);
        *t = n == 15 ? USEC_INFINITY : NOW + n;
}

/* A moment up to now, or 0. */
static inline void take_past(Packer *p, uint64_t *t) {
        uint64_t n = take_bits(p, *t == 0 ? 15 : NOW - *t, 4);
        *t = n == 15 ? 0 : NOW - n;
}

static inline void pack_or_unpack(Packer *p, Node *n) {
        Volume *v = &n->v;
        v->state = (VolumeState) take_bits(p, v->state, 4);
        take_bool(p, v->trusted);
        take_bool(p, v->locked);
        take_bool(p, v->unwatched);
        take_bool(p, v->scan_due);
        take_bool(p, v->scan_runs);
        take_bool(p, v->build_runs);
        take_bool(p, v->changed);
        take_bool(p, v->owed);
        take_bool(p, v->unlocked);
        take_bool(p, v->again);
        take_bool(p, v->force);
        take_bool(p, v->given_up);
        take_bool(p, n->obliged);
        take_number(p, v->holds, 5);
        take_number(p, v->waived, 4);
        take_number(p, v->failures, 2);
        take_number(p, v->attempts, 2);
        take_future(p, &v->timer);
        take_future(p, &v->retry_at);
        take_past(p, &v->scanned_at);
        take_past(p, &v->first_change);
        take_past(p, &v->last_change);
        must(p->n <= 63);
}

static uint64_t node_pack(const Node *n) {
        Node copy = *n;
        Packer p = {};
        pack_or_unpack(&p, &copy);
        return p.bits + 1; /* 0 is an empty slot of the table */
}

static Node node_unpack(uint64_t bits) {
        Node n = {};
        Packer p = {.bits = bits - 1, .unpack = true};
        pack_or_unpack(&p, &n);
        return n;
}

/* Moves the times of the machine from NOW + PASSED to NOW. */
static uint64_t future(uint64_t t, uint64_t passed) {
        return t == USEC_INFINITY ? t : MAX(t, NOW + passed) - passed;
}

static uint64_t past(uint64_t t, uint64_t passed, uint64_t matters) {
        return t == 0 ? 0 : MAX(t - passed, NOW - matters);
}

static void normalise(Node *n, uint64_t passed) {
        Volume *v = &n->v;
        bool settles = v->state == VOLUME_SETTLING, gone = v->scanned_at + tiny.unlock_gap <= NOW + passed;
        v->timer = future(v->timer, passed);
        v->retry_at =
                v->retry_at == 0 ? NOW : future(v->retry_at, passed); /* none and expired are the same */
        v->first_change = past(v->first_change, passed, tiny.settle_max);
        v->last_change = settles ? past(v->last_change, passed, tiny.settle) : 0;
        v->scanned_at = gone ? 0 : v->scanned_at - passed;
        v->failures = MIN(v->failures, tiny.max_failures);
        v->attempts = MIN(v->attempts, tiny.max_attempts);
}

/* The exploration */

typedef struct Exploration {
        uint64_t *table; /* of packed nodes, by their hash */
        size_t mask;
        uint64_t *queue; /* the same in order of discovery */
        size_t n, done;
        unsigned long steps;
        unsigned reached;                                    /* set of states */
        unsigned next[_VOLUME_STATE_MAX][_VOLUME_EVENT_MAX]; /* sets of states */
} Exploration;

static uint64_t *place_of(const Exploration *x, uint64_t key) {
        uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15);
        size_t i = (hash ^ hash >> 29) & x->mask;
        while (x->table[i] != 0 && x->table[i] != key)
                i = (i + 1) & x->mask;
        return &x->table[i];
}

static void grow_table(Exploration *x) {
        free(x->table);
        x->mask = x->mask * 2 + 1;
        x->table = calloc(x->mask + 1, sizeof(*x->table));
        x->queue = reallocarray(x->queue, x->mask + 1, sizeof(*x->queue));
        assert_non_null(x->table);
        assert_non_null(x->queue);
        for (size_t i = 0; i < x->n; i++)
                *place_of(x, x->queue[i]) = x->queue[i];
}

/* The invariants */

static bool waits_for_the_world(const Volume *v) {
        return !v->scan_due && !v->scan_runs &&
               (v->state == VOLUME_PLAIN || v->state == VOLUME_REFUSED || v->state == VOLUME_UNTRUSTED ||
                v->state == VOLUME_FRESH || v->state == VOLUME_GIVEN_UP);
}

/* As docs/man/org.bootkeep1.5.scd has it. */
static bool must_be_busy(const Volume *v) {
        static const bool always[_VOLUME_STATE_MAX] = {[VOLUME_BUILDING] = true, [VOLUME_FAILED] = true};
        static const bool if_locked[_VOLUME_STATE_MAX] = {[VOLUME_NEW] = true,
                                                          [VOLUME_FRESH] = true,
                                                          [VOLUME_STALE] = true,
                                                          [VOLUME_SETTLING] = true,
                                                          [VOLUME_SCANNING] = true};
        bool changed = v->state == VOLUME_SETTLING || (v->state == VOLUME_SCANNING && v->owed);
        bool owed = v->state == VOLUME_STALE && !(v->holds & VOLUME_HOLD_BLOCKED);
        return v->trusted &&
               (owed || always[v->state] || (changed && !v->given_up) || (v->locked && if_locked[v->state]));
}

static void check_waits(const Volume *v) {
        bool runs = v->scan_runs || v->build_runs;
        /* every wait ends: by a timer, a slot, or whoever holds it */
        if (v->state == VOLUME_SETTLING || v->state == VOLUME_FAILED || (runs && v->state != VOLUME_HUNG))
                must(v->timer != USEC_INFINITY);
        if (v->state == VOLUME_STALE)
                must(volume_wants_build(v) || v->timer != USEC_INFINITY ||
                     (v->holds & ~(unsigned) VOLUME_HOLD_RETRY & ~v->waived));
        if (v->state == VOLUME_SETTLING)
                must(v->timer <= NOW + tiny.settle_max);
        if (v->state == VOLUME_SCANNING || v->state == VOLUME_NEW)
                must(volume_scan_pending(v));
        if (v->unwatched && waits_for_the_world(v))
                must(v->timer <= NOW + tiny.unwatched);
        /* a volume that waits for a slot occupies none, nor does one that hangs */
        must(volume_holds_scan_slot(v) == (v->scan_runs && v->state != VOLUME_HUNG));
        must(volume_holds_build_slot(v) == (v->build_runs && v->state != VOLUME_HUNG));
        must(!(volume_wants_scan(v) && (runs || volume_wants_build(v))));
}

/* Owed work is not forgotten: something is under way that is followed by a scan. */
static void check_obligation(const Node *n) {
        const Volume *v = &n->v;
        if (!n->obliged || v->scan_due || v->build_runs || v->state == VOLUME_SETTLING)
                return;
        if (v->scan_runs)
                must(v->changed || v->again || v->unlocked);
        else if (v->state == VOLUME_STALE) /* to be built, and scanned after that */
                must(v->changed || v->unlocked);
        else {
                must(v->state == VOLUME_FRESH);
                must(v->unlocked && v->timer <= NOW + tiny.unlock_gap);
        }
}

/* While nothing can be built nothing is, whoever requests it; afterwards what is stale is. */
static void check_blocked(const Volume *v) {
        Volume released = *v;
        must(!(v->holds & VOLUME_HOLD_BLOCKED && volume_wants_build(v)));
        volume_hold(&released, VOLUME_HOLD_BLOCKED, false);
        must(volume_wants_build(&released) ==
             (v->state == VOLUME_STALE && !(v->holds & ~v->waived & ~(unsigned) VOLUME_HOLD_BLOCKED)));
}

static void check_invariants(const Node *n) {
        const Volume *v = &n->v;
        must(!(v->scan_runs && v->build_runs));
        must(v->build_runs == (v->state == VOLUME_BUILDING || (v->state == VOLUME_HUNG && !v->scan_runs)));
        must(volume_busy(v) == must_be_busy(v));
        check_waits(v);
        check_obligation(n);
        check_blocked(v);
        if (waits_for_the_world(v)) /* a resting volume listens */
                must(volume_listens(v));
}

static void arrive(Exploration *x, const Node *node) {
        uint64_t key = node_pack(node), *place = place_of(x, key);
        if (*place == key)
                return;
        check_invariants(node);
        *place = key;
        x->queue[x->n++] = key;
        if (x->n > x->mask / 2)
                grow_table(x);
}

/* The steps */

/* The events that a scan must follow. Nothing is requested of a volume that hangs, and for the release of our
 * own build's lock, the exit of the build counts. */
static bool obliges(const Volume *v, VolumeEvent event) {
        bool asks = event == VOLUME_SCAN_WANTED || event == VOLUME_HURRY_WANTED ||
                    event == VOLUME_BUILD_WANTED || event == VOLUME_FORCE_WANTED;
        return event == VOLUME_CHANGED || (event >= VOLUME_UNLOCKED && event <= VOLUME_UNLOCKED_FAILURE) ||
               (asks && v->state != VOLUME_HUNG);
}

static void check_actions(const Node *from, const Node *to, VolumeEvent event, unsigned actions) {
        must(!!(actions & VOLUME_ACT_SCAN) == (event == VOLUME_SCAN_SLOT && from->v.scan_due));
        if (actions & VOLUME_ACT_SCAN) {
                must(!(from->v.build_runs || from->v.scan_runs));
                must(to->v.scan_runs && !to->v.changed && !to->v.again && !to->v.unlocked);
        }
        if (actions & VOLUME_ACT_BUILD) {
                must(from->v.trusted && volume_wants_build(&from->v) && event == VOLUME_BUILD_SLOT);
                must(!from->v.scan_runs && !(from->v.holds & VOLUME_HOLD_BLOCKED));
                must(to->v.build_runs);
        }
        if (event == VOLUME_BUILD_ADOPTED && from->v.scan_due) { /* nothing is started, and it runs */
                must(actions == 0 && to->v.build_runs && to->v.attempts > 0);
                must(to->v.timer == NOW + tiny.build_timeout);
        }
        if (actions & VOLUME_ACT_FORCE)
                must(actions & VOLUME_ACT_BUILD);
        if (event == VOLUME_CHANGED) /* a storm costs nothing more */
                must(!volume_listens(&to->v));
}

/* What a scan finds stale is built, or scanned again, or it is told that building failed: whatever holds it
 * back, and for however long. */
static void check_that_stale_is_not_forgotten(const Volume *from, const Volume *to, VolumeEvent event) {
        bool found = from->trusted && (event == VOLUME_SCAN_STALE || event == VOLUME_SCAN_STALE_AGAIN);
        bool known = to->state == VOLUME_STALE || to->state == VOLUME_SETTLING || volume_scan_pending(to);
        if (found)
                must(known || to->state == VOLUME_FAILED || to->state == VOLUME_GIVEN_UP);
        if (from->state == VOLUME_STALE && event != VOLUME_DISTRUST)
                must(known || to->build_runs);
}

static void step(Exploration *x, const Node *from, VolumeEvent event) {
        Node n = *from;
        tried.event = event_names[event];
        n.obliged = n.obliged || obliges(&from->v, event);
        unsigned actions = volume_event(&n.v, &tiny, event, NOW);
        x->steps++;
        check_actions(from, &n, event, actions);
        check_that_stale_is_not_forgotten(&from->v, &n.v, event);
        if (actions & VOLUME_ACT_SCAN)
                n.obliged = false;
        x->next[from->v.state][event] |= 1U << n.v.state;
        normalise(&n, 0);
        arrive(x, &n);
}

/* Can EVENT occur in this state? Only what is really possible: a scan ends only if one is running. */
static bool is_possible(const Volume *v, VolumeEvent e) {
        if (e == VOLUME_APPEARED)
                return false;
        if (e >= VOLUME_SCAN_FRESH && e <= VOLUME_SCAN_ERROR)
                return v->scan_runs;
        if (e >= VOLUME_BUILD_ALIVE && e <= VOLUME_BUILD_FAILURE)
                return v->build_runs;
        if (e == VOLUME_SCAN_SLOT)
                return volume_wants_scan(v);
        if (e == VOLUME_BUILD_SLOT)
                return volume_wants_build(v);
        if (e == VOLUME_BUILD_ADOPTED)
                return v->state == VOLUME_NEW && v->scan_due;
        if (e == VOLUME_CHANGED)
                return volume_listens(v) || v->state == VOLUME_SETTLING;
        if (e == VOLUME_TIMER)
                return v->timer <= NOW;
        return true;
}

/* Events without effect in this state. */
static void check_that_nothing_comes_of(const Node *n, VolumeEvent event) {
        Volume v = n->v;
        tried.event = event_names[event];
        must(volume_event(&v, &tiny, event, NOW) == 0);
        Node after = {v, n->obliged};
        must(node_pack(&after) == node_pack(n));
}

static void expand_by_events(Exploration *x, const Node *node) {
        static const VolumeEvent harmless[] = {VOLUME_TIMER, VOLUME_SCAN_SLOT, VOLUME_BUILD_SLOT,
                                               VOLUME_BUILD_ADOPTED, VOLUME_BUILD_ALIVE};
        for (VolumeEvent e = 0; e < _VOLUME_EVENT_MAX; e++)
                if (is_possible(&node->v, e))
                        step(x, node, e);
        for (size_t i = 0; i < ELEMENTSOF(harmless); i++)
                if (!is_possible(&node->v, harmless[i]))
                        check_that_nothing_comes_of(node, harmless[i]);
}

static void arrive_aside(Exploration *x, const Node *n, const char *what) {
        tried.event = what;
        arrive(x, n);
}

/* Things other than events: time passes, up to the next timer; changes from outside the machine. */
static void expand_by_the_world(Exploration *x, const Node *node) {
        static const VolumeHold holds[] = {VOLUME_HOLD_BOOT, VOLUME_HOLD_PACKAGES, VOLUME_HOLD_BLOCKED};
        Node n = *node;
        if (n.v.timer > NOW) {
                normalise(&n, 1);
                arrive_aside(x, &n, "some time");
        }
        for (size_t i = 0; i < ELEMENTSOF(holds); i++) {
                n = *node;
                volume_hold(&n.v, holds[i], !(n.v.holds & (unsigned) holds[i]));
                arrive_aside(x, &n, "a hold");
        }
        for (VolumeLock lock = 0; lock < _VOLUME_LOCK_MAX; lock++) {
                n = *node;
                volume_set_lock(&n.v, lock);
                arrive_aside(x, &n, "a lock");
        }
        if (node->v.scan_runs) { /* its result is reported when it ends */
                n = *node;
                volume_set_watched(&n.v, n.v.unwatched);
                arrive_aside(x, &n, "a watch");
        }
}

static void begin(Exploration *x, bool trusted, bool watched) {
        Node n = {.v = volume_init(trusted)};
        volume_set_watched(&n.v, watched);
        assert_int_equal(volume_event(&n.v, &tiny, VOLUME_APPEARED, NOW), 0);
        assert_true(volume_wants_scan(&n.v));
        normalise(&n, 0);
        arrive(x, &n);
}

static int set_out(void **state) {
        Exploration *x = calloc(1, sizeof(*x));
        assert_non_null(x);
        x->mask = 0xffff;
        grow_table(x);
        for (int trusted = 0; trusted <= 1; trusted++)
                for (int watched = 0; watched <= 1; watched++)
                        begin(x, trusted, watched);
        *state = x;
        return 0;
}

static int forget(void **state) {
        Exploration *x = *state;
        free(x->table);
        free(x->queue);
        free(x);
        return 0;
}

static void the_invariants_hold_in_every_reachable_state(void **state) {
        Exploration *x = *state;
        for (; x->done < x->n; x->done++) {
                tried.from = node_unpack(x->queue[x->done]);
                must(node_pack(&tried.from) == x->queue[x->done]);
                x->reached |= 1U << tried.from.v.state;
                expand_by_events(x, &tried.from);
                expand_by_the_world(x, &tried.from);
        }
        print_message("# explored %zu states, %lu steps\n", x->n, x->steps);
        for (VolumeState s = 0; s < _VOLUME_STATE_MAX; s++)
                if (!(x->reached & 1U << s))
                        fail_msg("state %s was never reached", volume_state_to_string(s));
        assert_true(x->n > 5000000);
}

/* The table of docs/map.md: a row for each state and the events with the same results. Events that never
 * change the state are left out. */

#define HEADING "## The state machine of a volume"

static bool is_row(const char *line) {
        return startswith(line, "| `");
}

static void row_append(char **row, const char *prefix, const char *name) {
        char *longer = NULL;
        assert_int_equal(strprintf(&longer, "%s%s`%s`", *row, prefix, name), 0);
        free(*row);
        *row = longer;
}

/* The row of state FROM for EVENT and all later events that lead to the same states. */
static char *row_of(const Exploration *x, VolumeState from, VolumeEvent event) {
        unsigned to = x->next[from][event];
        char *row = strdup("");
        assert_non_null(row);
        row_append(&row, "| ", volume_state_to_string(from));
        for (VolumeEvent e = event; e < _VOLUME_EVENT_MAX; e++)
                if (x->next[from][e] == to)
                        row_append(&row, e == event ? " | " : ", ", event_names[e]);
        const char *prefix = " | ";
        for (VolumeState s = 0; s < _VOLUME_STATE_MAX; s++)
                if (to & 1U << s) {
                        row_append(&row, prefix, volume_state_to_string(s));
                        prefix = ", ";
                }
        char *whole = NULL;
        assert_int_equal(strprintf(&whole, "%s |", row), 0);
        free(row);
        return whole;
}

static bool is_told_before(const Exploration *x, VolumeState from, VolumeEvent event) {
        for (VolumeEvent e = 0; e < event; e++)
                if (x->next[from][e] == x->next[from][event])
                        return true;
        return false;
}

static char **table_of(const Exploration *x) {
        char **rows = NULL;
        for (VolumeState from = 0; from < _VOLUME_STATE_MAX; from++)
                for (VolumeEvent e = 0; e < _VOLUME_EVENT_MAX; e++) {
                        unsigned to = x->next[from][e];
                        if (to != 0 && to != 1U << from && !is_told_before(x, from, e))
                                assert_int_equal(strv_push(&rows, row_of(x, from, e)), 0);
                }
        return rows;
}

static char **read_table(const char *path) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        char **rows = NULL, line[4096];
        bool inside = false;
        if (!f)
                fail_msg("no %s", path);
        while (fgets(line, sizeof(line), f)) {
                line[strcspn(line, "\n")] = 0;
                if (startswith(line, "## "))
                        inside = streq(line, HEADING);
                else if (inside && is_row(line))
                        assert_int_equal(strv_extend(&rows, line), 0);
        }
        return rows;
}

static unsigned print_missing(char **from, char **in, const char *what) {
        unsigned n = 0;
        for (char **row = from; row && *row; row++)
                if (!strv_contains(in, *row)) {
                        print_error("# %s: %s\n", what, *row);
                        n++;
                }
        return n;
}

static void the_map_shows_the_machine(void **state) {
        const Exploration *x = *state;
        const char *source = getenv("TESTS_SOURCE");
        _cleanup_free_ char *path = NULL;
        if (!source || x->done < x->n)
                skip();
        assert_int_equal(strprintf(&path, "%s/../docs/map.md", source), 0);
        _cleanup_strv_free_ char **real = table_of(x), **shown = read_table(path);
        unsigned wrong = print_missing(real, shown, "docs/map.md lacks");
        wrong += print_missing(shown, real, "docs/map.md has, and it is not so");
        if (wrong == 0 && strv_length(real) == strv_length(shown))
                return;
        print_error("# The table should be:\n");
        for (char **row = real; row && *row; row++)
                print_error("%s\n", *row);
        fail_msg("%u rows of the table in docs/map.md are wrong", wrong);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_invariants_hold_in_every_reachable_state),
                cmocka_unit_test(the_map_shows_the_machine),
        };
        return cmocka_run_group_tests(tests, set_out, forget);
}
