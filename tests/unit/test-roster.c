/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/roster.h"

#include "scratch.h"

static Record *add(Roster *r, const char *name) {
        Record *record = NULL;
        assert_int_equal(record_new(NULL, name, &record), 0);
        record->volume = volume_init(true);
        assert_int_equal(roster_add(r, record), 0);
        return record;
}

static void they_come_in_order_of_appearance(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        assert_null(roster_next(&r, NULL));
        Record *a = add(&r, "sdb2"), *b = add(&r, "sda2"), *c = add(&r, "sdc2");
        assert_ptr_equal(roster_next(&r, NULL), a);
        assert_ptr_equal(roster_next(&r, a), b);
        assert_true(roster_has(&r, a) && roster_has(&r, b) && roster_has(&r, c));
        roster_take(&r, b);
        assert_false(roster_has(&r, b));
        record_free(b);
        assert_ptr_equal(roster_next(&r, a), c);
        assert_null(roster_next(&r, c));
        assert_ptr_equal(roster_find(&r, "sdb2"), a);
        assert_ptr_equal(roster_find(&r, "sdc2"), c);
        assert_null(roster_find(&r, "sda2"));
}

static void a_name_means_its_own_volume_first(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        MountEntry e = {
                .id = 7, .device = (char *) "sda2", .node = (char *) "/dev/sda2", .fstype = (char *) "x"};
        Record *subvolume = add(&r, "sda2[/@]");
        e.root = (char *) "/@";
        e.target = (char *) "/one";
        assert_int_equal(record_set_mount(subvolume, &e), 0);
        assert_ptr_equal(roster_look_up(&r, "sda2"), subvolume); /* it is on it */
        Record *top = add(&r, "sda2");
        assert_ptr_equal(roster_look_up(&r, "sda2"), top);
        assert_ptr_equal(roster_look_up(&r, "/one"), subvolume);
        assert_null(roster_look_up(&r, "sda"));
}

static void the_volume_that_waits_longest_builds_next(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        Record *a = add(&r, "a"), *b = add(&r, "b"), *c = add(&r, "c");
        assert_null(roster_next_to_build(&r));
        assert_false(roster_any_stale(&r));
        a->volume.state = b->volume.state = c->volume.state = VOLUME_STALE;
        a->stale_since = 20;
        b->stale_since = 10;
        c->stale_since = 5;
        volume_hold(&c->volume, VOLUME_HOLD_PACKAGES, true);
        assert_true(roster_any_stale(&r));
        assert_ptr_equal(roster_next_to_build(&r), b);
        b->volume.state = VOLUME_BUILDING;
        assert_int_equal(roster_builds(&r), 1);
        assert_ptr_equal(roster_next_to_build(&r), a);
        b->build.report = report_new();
        assert_int_equal(roster_builds(&r), 1);
        b->build.report->waiting = true; /* for another build: others are built meanwhile */
        assert_int_equal(roster_builds(&r), 0);
        b->build.report->waiting = false;
        assert_int_equal(roster_builds(&r), 1);
        b->volume.state = VOLUME_HUNG; /* holds up nobody else */
        assert_int_equal(roster_builds(&r), 0);
        a->volume.state = VOLUME_BUILDING; /* the first of them counts, too */
        assert_int_equal(roster_builds(&r), 1);
        a->volume.state = VOLUME_FRESH;
        assert_true(roster_any_stale(&r)); /* which need not be the first */
        a->volume.state = VOLUME_STALE;
        a->volume.trusted = c->volume.trusted = false;
        assert_false(roster_any_stale(&r));
        assert_null(roster_next_to_build(&r));
}

static void wait_for(Waiters *all, Record *record) {
        static const Peer peer = {.id = 1};
        Waiter *w = waiter_new(all, &(Caller){.peer = &peer}, record, (Wait){.what = WAIT_FOR_SCAN});
        assert_non_null(w);
        waiter_join_queue(w, &record->waiters);
}

static void scan_slots_go_to_those_that_are_asked_for_then_to_those_that_wait_longest(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        _cleanup_(waiters_drop_all) Waiters all = {};
        const VolumeConfig c = {.scan_timeout = 10, .max_failures = 1, .max_attempts = 1};
        Record *a = add(&r, "a"), *b = add(&r, "b"), *asked = add(&r, "asked");
        assert_null(roster_next_to_scan(&r, 1000));
        for (Record *i = roster_next(&r, NULL); i; i = roster_next(&r, i))
                assert_int_equal(volume_event(&i->volume, &c, VOLUME_APPEARED, 1), 0);
        a->scan_due_since = 20;
        b->scan_due_since = 10;
        asked->scan_due_since = 30;
        assert_ptr_equal(roster_next_to_scan(&r, 1000), b);
        wait_for(&all, asked);
        assert_ptr_equal(roster_next_to_scan(&r, 1000), asked);
        wait_for(&all, b);
        assert_ptr_equal(roster_next_to_scan(&r, 1000), b);
        assert_int_equal(roster_scans(&r), 0);
        assert_int_equal(volume_event(&b->volume, &c, VOLUME_SCAN_SLOT, 100), VOLUME_ACT_SCAN);
        assert_int_equal(roster_scans(&r), 1);
        assert_ptr_equal(roster_next_to_scan(&r, 1000), asked);
        assert_int_equal(volume_event(&asked->volume, &c, VOLUME_SCAN_SLOT, 100), VOLUME_ACT_SCAN);
        assert_ptr_equal(roster_next_to_scan(&r, 1000), a);
        assert_int_equal(roster_scans(&r), 2);
        assert_int_equal(volume_event(&a->volume, &c, VOLUME_SCAN_SLOT, 100), VOLUME_ACT_SCAN);
        assert_int_equal(roster_scans(&r), 3);
        assert_int_equal(volume_event(&b->volume, &c, VOLUME_TIMER, 110), 0);
        assert_int_equal(b->volume.state, VOLUME_HUNG); /* holds up no other */
        assert_int_equal(roster_scans(&r), 2);
}

/* Its scan ends at NOW, and a client requests the next one at once. */
static void scan_and_ask_again(Record *record, uint64_t now) {
        const VolumeConfig c = {.scan_timeout = 10, .max_failures = 1, .max_attempts = 1};
        assert_int_equal(volume_event(&record->volume, &c, VOLUME_SCAN_SLOT, now), VOLUME_ACT_SCAN);
        assert_int_equal(volume_event(&record->volume, &c, VOLUME_SCAN_WANTED, now), 0);
        assert_int_equal(volume_event(&record->volume, &c, VOLUME_SCAN_FRESH, now), 0);
        assert_true(volume_wants_scan(&record->volume));
        record->scan_due_since = now;
}

/* One that wants no scan waits for none, however long ago it wanted one. */
static void an_idle_volume_does_not_keep_a_client_waiting(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        _cleanup_(waiters_drop_all) Waiters clients = {};
        const VolumeConfig c = {.scan_timeout = 10, .max_failures = 1, .max_attempts = 1};
        Record *idle = add(&r, "idle"), *a = add(&r, "a"), *asked = add(&r, "asked");
        assert_int_equal(volume_event(&a->volume, &c, VOLUME_APPEARED, 1), 0);
        assert_int_equal(volume_event(&asked->volume, &c, VOLUME_APPEARED, 1), 0);
        idle->scan_due_since = 0;
        a->scan_due_since = 10;
        asked->scan_due_since = 20;
        wait_for(&clients, asked);
        assert_ptr_equal(roster_next_to_scan(&r, 1000), asked);
}

/* Whichever of them that is: here, the first in the list. */
static void a_client_waits_for_the_one_that_waits_longest(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        _cleanup_(waiters_drop_all) Waiters clients = {};
        const VolumeConfig c = {.scan_timeout = 10, .max_failures = 1, .max_attempts = 1};
        Record *first = add(&r, "first"), *asked = add(&r, "asked");
        assert_int_equal(volume_event(&first->volume, &c, VOLUME_APPEARED, 1), 0);
        assert_int_equal(volume_event(&asked->volume, &c, VOLUME_APPEARED, 1), 0);
        first->scan_due_since = 10;
        wait_for(&clients, asked);
        scan_and_ask_again(asked, 100);
        asked->scan_due_since = 105;
        assert_ptr_equal(roster_next_to_scan(&r, 200), first);
}

static void a_client_that_asks_without_end_starves_nobody(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        _cleanup_(waiters_drop_all) Waiters clients = {};
        const VolumeConfig c = {.scan_timeout = 10, .max_failures = 1, .max_attempts = 1};
        Record *all[] = {add(&r, "asked"), add(&r, "asked too"), add(&r, "third"), add(&r, "fourth")};
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                assert_int_equal(volume_event(&all[i]->volume, &c, VOLUME_APPEARED, 1), 0);
                all[i]->scan_due_since = 10 + i;
        }
        wait_for(&clients, all[0]);
        wait_for(&clients, all[1]);
        assert_ptr_equal(roster_next_to_scan(&r, 100), all[0]);
        scan_and_ask_again(all[0], 100);
        assert_ptr_equal(roster_next_to_scan(&r, 100), all[1]);
        scan_and_ask_again(all[1], 110);
        assert_ptr_equal(roster_next_to_scan(&r, 110), all[2]); /* they had their turn while it waited */
        scan_and_ask_again(all[2], 120);
        assert_ptr_equal(roster_next_to_scan(&r, 120), all[3]);
        scan_and_ask_again(all[3], 130);
        for (size_t i = 0; i < 2 * ELEMENTSOF(all); i++) { /* and from here on each in turn */
                assert_ptr_equal(roster_next_to_scan(&r, 200), all[i % ELEMENTSOF(all)]);
                scan_and_ask_again(all[i % ELEMENTSOF(all)], 200 + i);
        }
}

static void what_was_just_mounted_is_left_alone_unless_it_is_asked_for(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        _cleanup_(waiters_drop_all) Waiters all = {};
        const VolumeConfig c = {.scan_timeout = 10, .max_failures = 1, .max_attempts = 1};
        Record *a = add(&r, "a"), *b = add(&r, "b"), *idle = add(&r, "idle");
        assert_int_equal(volume_event(&a->volume, &c, VOLUME_APPEARED, 1), 0);
        assert_int_equal(volume_event(&b->volume, &c, VOLUME_APPEARED, 1), 0);
        assert_true(roster_next_scan_time(&r, 1000) == USEC_INFINITY);
        a->left_alone_until = 2000;
        b->left_alone_until = 1500;
        idle->left_alone_until = 1200;
        assert_null(roster_next_to_scan(&r, 1000));
        assert_int_equal(roster_next_scan_time(&r, 1000), 1500);
        assert_null(roster_next_to_scan(&r, 1499));
        assert_ptr_equal(roster_next_to_scan(&r, 1500), b);
        assert_int_equal(roster_next_scan_time(&r, 1500), 2000);
        assert_ptr_equal(roster_next_to_scan(&r, 1999), b);
        wait_for(&all, a);
        assert_ptr_equal(roster_next_to_scan(&r, 1000), a);
        assert_int_equal(roster_next_scan_time(&r, 1000), 1500);
}

static void the_busy_ones_are_named(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        _cleanup_strv_free_ char **busy = NULL;
        add(&r, "a")->volume.state = VOLUME_STALE;
        add(&r, "b")->volume.state = VOLUME_FRESH;
        add(&r, "c")->volume.state = VOLUME_SETTLING;
        assert_int_equal(roster_busy(&r, &busy), 0);
        assert_int_equal(strv_length(busy), 2);
        assert_string_equal(busy[0], "a");
        assert_string_equal(busy[1], "c");
        assert_int_equal(roster_without_watch(&r), 3);
        assert_false(roster_any_runs(&r));
}

static void what_runs_is_known(void **state) {
        static const char *const argv[] = {"/bin/true", NULL};
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        add(&r, "a");
        Record *b = add(&r, "b");
        assert_false(roster_any_runs(&r));
        assert_int_equal(job_start((char *const *) (const void *) argv, -EBADF, &b->scan.job), 0);
        assert_true(roster_any_runs(&r));
        b->build.job = TAKE_PTR(b->scan.job);
        assert_true(roster_any_runs(&r));
}

static void one_busy_volume_is_enough(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        assert_false(roster_any_busy(&r));
        Record *a = add(&r, "a"), *b = add(&r, "b");
        a->volume.state = b->volume.state = VOLUME_FRESH;
        assert_false(roster_any_busy(&r));
        b->volume.state = VOLUME_BUILDING;
        assert_true(roster_any_busy(&r));
}

static void those_without_a_watch_are_counted(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        Record *a = add(&r, "a");
        add(&r, "b");
        assert_int_equal(roster_without_watch(&r), 2);
        assert_int_equal(watch_new(&a->watch), 0);
        assert_int_equal(roster_without_watch(&r), 1);
}

static void sizes_of_untrusted_reports_are_added_up(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        Record *all[] = {add(&r, "a"), add(&r, "b"), add(&r, "trusted")};
        add(&r, "never scanned")->volume.trusted = false;
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                all[i]->volume.trusted = i == 2;
                all[i]->report = report_new();
                for (size_t n = 0; n <= i; n++)
                        assert_int_equal(report_parse_line(all[i]->report, "CACHE c - fresh"), 0);
        }
        size_t one = report_size(all[0]->report);
        assert_true(one > 0);
        assert_int_equal(roster_untrusted_size(&r, NULL), 3 * one);
        assert_int_equal(roster_untrusted_size(&r, all[1]), one);
        assert_int_equal(roster_untrusted_size(&r, all[2]), 3 * one);
}

/* They keep their order, and those taken out belong to the caller. */
static void the_rest_moves_up(void **state) {
        static const char *const names[] = {"a", "b", "c", "d", "e"};
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        Record *all[ELEMENTSOF(names)];
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                all[i] = add(&r, names[i]);
        roster_take(&r, all[1]);
        assert_string_equal(all[1]->name, "b");
        record_free(all[1]);
        roster_take(&r, all[4]);
        record_free(all[4]);
        assert_int_equal(r.n, 3);
        assert_ptr_equal(roster_next(&r, NULL), all[0]);
        assert_ptr_equal(roster_next(&r, all[0]), all[2]);
        assert_ptr_equal(roster_next(&r, all[2]), all[3]);
        assert_null(roster_next(&r, all[3]));
        roster_done(&r);
        assert_int_equal(r.n, 0);
        assert_null(r.items);
}

/* Equals come in the order in which they appeared. */
static void volumes_that_wait_equally_long_come_in_order(void **state) {
        _cleanup_(roster_done) Roster r = ROSTER_NULL;
        const VolumeConfig c = {.scan_timeout = 10, .max_failures = 1, .max_attempts = 1};
        Record *all[] = {add(&r, "a"), add(&r, "b"), add(&r, "c")};
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                assert_int_equal(volume_event(&all[i]->volume, &c, VOLUME_APPEARED, 1), 0);
                all[i]->scan_due_since = all[i]->stale_since = 5;
        }
        assert_ptr_equal(roster_next_to_scan(&r, 1000), all[0]);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                assert_int_equal(volume_event(&all[i]->volume, &c, VOLUME_SCAN_SLOT, 1), VOLUME_ACT_SCAN);
                assert_int_equal(volume_event(&all[i]->volume, &c, VOLUME_SCAN_STALE, 1), 0);
        }
        assert_ptr_equal(roster_next_to_build(&r), all[0]);
        assert_null(roster_next_to_scan(&r, 1000));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(they_come_in_order_of_appearance),
                cmocka_unit_test(a_name_means_its_own_volume_first),
                cmocka_unit_test(the_volume_that_waits_longest_builds_next),
                cmocka_unit_test(scan_slots_go_to_those_that_are_asked_for_then_to_those_that_wait_longest),
                cmocka_unit_test(an_idle_volume_does_not_keep_a_client_waiting),
                cmocka_unit_test(a_client_waits_for_the_one_that_waits_longest),
                cmocka_unit_test(a_client_that_asks_without_end_starves_nobody),
                cmocka_unit_test(what_was_just_mounted_is_left_alone_unless_it_is_asked_for),
                cmocka_unit_test(the_busy_ones_are_named),
                cmocka_unit_test(what_runs_is_known),
                cmocka_unit_test(one_busy_volume_is_enough),
                cmocka_unit_test(those_without_a_watch_are_counted),
                cmocka_unit_test(sizes_of_untrusted_reports_are_added_up),
                cmocka_unit_test(the_rest_moves_up),
                cmocka_unit_test(volumes_that_wait_equally_long_come_in_order),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
