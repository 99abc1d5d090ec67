/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/progress.h"

#include "interpose.h"

#include <time.h>

static uint64_t now; /* of every clock, in microseconds */

int clock_gettime(clockid_t clock_id, struct timespec *tp) {
        *tp = (struct timespec){.tv_sec = (time_t) (now / USEC_PER_SEC),
                                .tv_nsec = (long) (now % USEC_PER_SEC * 1000)};
        return 0;
}

/* A progress whose records go into memory. */
typedef struct Told {
        Progress p;
        char *text;
        size_t size, seen;
} Told;

static void told_begin(Told *t) {
        now = 5 * USEC_PER_SEC;
        *t = (Told){};
        t->p.f = open_memstream(&t->text, &t->size);
        assert_non_null(t->p.f);
        (void) fflush(t->p.f);
}

/* What was reported since the last time, and flushed, is EXPECTED. */
static void assert_told(Told *t, const char *expected) {
        assert_string_equal(t->text + t->seen, expected);
        t->seen = t->size;
}

static void told_end(Told *t) {
        (void) fclose(t->p.f);
        free(t->text);
}

static void what_is_expected_is_reported_at_once(void **state) {
        _cleanup_(told_end) Told t;
        told_begin(&t);
        progress_expect(&t.p, 0);
        assert_told(&t, "");
        progress_expect(&t.p, 100);
        assert_told(&t, "PROGRESS 0 100\n");
        progress_expect(&t.p, 20);
        assert_told(&t, "PROGRESS 0 120\n");
        progress_expect(&t.p, 0);
        assert_told(&t, "");
}

static void steps_are_reported_four_times_a_second(void **state) {
        _cleanup_(told_end) Told t;
        told_begin(&t);
        progress_expect(&t.p, 100);
        assert_told(&t, "PROGRESS 0 100\n");
        now += 249999;
        progress_add(&t.p, 10);
        assert_told(&t, "");
        now += 1;
        progress_add(&t.p, 5);
        assert_told(&t, "PROGRESS 15 100\n");
        progress_add(&t.p, 5);
        now += 249999;
        progress_add(&t.p, 5);
        assert_told(&t, "");
}

static void the_end_is_reported_at_once(void **state) {
        _cleanup_(told_end) Told t;
        told_begin(&t);
        progress_expect(&t.p, 100);
        assert_told(&t, "PROGRESS 0 100\n");
        progress_add(&t.p, 99);
        assert_told(&t, "");
        progress_add(&t.p, 1);
        assert_told(&t, "PROGRESS 100 100\n");
        progress_add(&t.p, 1); /* a file that grew */
        assert_told(&t, "PROGRESS 100 100\n");
}

static void a_beat_is_given_after_a_second_of_silence(void **state) {
        _cleanup_(told_end) Told t;
        told_begin(&t);
        progress_expect(&t.p, 100);
        assert_told(&t, "PROGRESS 0 100\n");
        now += 999999;
        progress_beat(&t.p);
        assert_told(&t, "");
        now += 1;
        progress_beat(&t.p);
        assert_told(&t, "PROGRESS 0 100\n");
        progress_beat(&t.p);
        assert_told(&t, "");
}

static void a_repetition_is_given_at_once(void **state) {
        _cleanup_(told_end) Told t;
        told_begin(&t);
        progress_repeat(&t.p);
        assert_told(&t, "PROGRESS 0 0\n");
        progress_repeat(&t.p);
        assert_told(&t, "PROGRESS 0 0\n");
}

static void a_builder_that_does_nothing_is_no_progress(void **state) {
        _cleanup_(told_end) Told t;
        told_begin(&t);
        progress_expect(&t.p, 100);
        assert_told(&t, "PROGRESS 0 100\n");
        now += 999999;
        progress_idle(&t.p, "dracut");
        assert_told(&t, "IDLE builder dracut\n");
        now += 1;
        progress_beat(&t.p); /* the next one is not put off by that */
        assert_told(&t, "PROGRESS 0 100\n");
}

static void without_a_file_it_only_counts(void **state) {
        Progress p = {};
        progress_expect(&p, 10);
        progress_add(&p, 4);
        progress_repeat(&p);
        progress_idle(&p, "dracut");
        progress_beat(&p);
        assert_int_equal(p.done, 4);
        assert_int_equal(p.of, 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_expected_is_reported_at_once),
                cmocka_unit_test(steps_are_reported_four_times_a_second),
                cmocka_unit_test(the_end_is_reported_at_once),
                cmocka_unit_test(a_beat_is_given_after_a_second_of_silence),
                cmocka_unit_test(a_repetition_is_given_at_once),
                cmocka_unit_test(a_builder_that_does_nothing_is_no_progress),
                cmocka_unit_test(without_a_file_it_only_counts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
