/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/timer.h"

#include <sys/wait.h>
#include <time.h>

#include "scratch.h"

typedef struct World {
        sd_event *event;
        sd_event_source *timer;
        unsigned called;
        uint64_t called_at;
} World;

static int note(sd_event_source *source, uint64_t usec, void *userdata) {
        World *w = userdata;
        w->called++;
        w->called_at = now_usec();
        return 0;
}

static World *world_new(void) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_true(sd_event_new(&w->event) >= 0);
        return w;
}

static void world_free(World **w) {
        sd_event_source_disable_unref((*w)->timer);
        sd_event_unref((*w)->event);
        free(*w);
}
#define _world_ _cleanup_(world_free)

static void set(World *w, uint64_t when) {
        assert_int_equal(timer_set(w->event, &w->timer, when, note, w), 0);
}

/* Runs the loop for this long, or until the timer was called N times. */
static void run(World *w, uint64_t usec, unsigned n) {
        for (uint64_t end = now_usec() + usec, now; w->called < n && (now = now_usec()) < end;)
                assert_true(sd_event_run(w->event, end - now) >= 0);
}

static void it_is_called_once_and_not_before_its_time(void **state) {
        _world_ World *w = world_new();
        uint64_t when = now_usec() + 20 * USEC_PER_MSEC;
        set(w, when);
        run(w, 60 * USEC_PER_SEC, 1);
        assert_int_equal(w->called, 1);
        assert_true(w->called_at >= when);
        run(w, 20 * USEC_PER_MSEC, 2);
        assert_int_equal(w->called, 1);
}

/* Waiting by CLOCK_BOOTTIME goes on while the machine sleeps. */
static void it_waits_by_the_clock_that_does_not_stop_and_wakes_us_in_time(void **state) {
        _world_ World *w = world_new();
        uint64_t accuracy = 0;
        clockid_t clock = -1;
        set(w, now_usec() + USEC_PER_SEC);
        assert_true(sd_event_source_get_time_clock(w->timer, &clock) >= 0);
        assert_int_equal(clock, CLOCK_BOOTTIME);
        assert_true(sd_event_source_get_time_accuracy(w->timer, &accuracy) >= 0);
        assert_int_equal(accuracy, USEC_PER_MSEC);
}

static void never_is_never(void **state) {
        _world_ World *w = world_new();
        set(w, USEC_INFINITY);
        assert_null(w->timer);
        set(w, now_usec());
        set(w, USEC_INFINITY); /* after all */
        run(w, 20 * USEC_PER_MSEC, 1);
        assert_int_equal(w->called, 0);
}

static void last_time_that_was_set_counts(void **state) {
        _world_ World *w = world_new();
        set(w, now_usec() + 1000 * USEC_PER_SEC);
        const sd_event_source *first = w->timer;
        set(w, now_usec());
        assert_ptr_equal(w->timer, first);
        run(w, 60 * USEC_PER_SEC, 1);
        assert_int_equal(w->called, 1);
        set(w, now_usec()); /* it has expired */
        run(w, 60 * USEC_PER_SEC, 2);
        assert_int_equal(w->called, 2);
        set(w, USEC_INFINITY);
        set(w, now_usec()); /* it was off */
        run(w, 60 * USEC_PER_SEC, 3);
        assert_int_equal(w->called, 3);
        run(w, 20 * USEC_PER_MSEC, 4);
        assert_int_equal(w->called, 3); /* each time once */
}

static void timer_of_a_loop_that_was_forked_is_an_error(void **state) {
        _world_ World *w = world_new();
        set(w, now_usec() + 1000 * USEC_PER_SEC);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) { /* sd-event refuses to work there */
                sd_event_source *other = NULL;
                bool refused = timer_set(w->event, &w->timer, 1, note, w) == -ECHILD &&
                               timer_set(w->event, &w->timer, USEC_INFINITY, note, w) == -ECHILD &&
                               timer_set(w->event, &other, 1, note, w) == -ECHILD;
                _exit(refused ? 0 : 1);
        }
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_is_called_once_and_not_before_its_time),
                cmocka_unit_test(it_waits_by_the_clock_that_does_not_stop_and_wakes_us_in_time),
                cmocka_unit_test(never_is_never),
                cmocka_unit_test(last_time_that_was_set_counts),
                cmocka_unit_test(timer_of_a_loop_that_was_forked_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
