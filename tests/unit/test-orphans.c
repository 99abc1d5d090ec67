/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/orphans.h"

#include "children.h"

typedef struct World {
        sd_event *event;
        Orphans *orphans;
} World;

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_true(sd_event_new(&w->event) >= 0);
        assert_int_equal(orphans_new(w->event, &w->orphans), 0);
        assert_false(orphans_any(w->orphans));
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;
        orphans_free(w->orphans);
        sd_event_unref(w->event);
        free(w);
        return 0;
}

static int not_called(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        fail();
        return 0;
}

/* A child of a volume that goes away. */
static Running running_of(const World *w, const char *script) {
        static const RunningHandlers handlers = {not_called, not_called, NULL};
        Running r = {};
        Job *j = sh(script);
        await_readable(job_get_output_fd(j)); /* it has begun */
        assert_true(running_listen(&r, w->event, j, &handlers) >= 0);
        return r;
}

static void child_that_was_taken_gets_the_signal_and_is_awaited(void **state) {
        World *w = *state;
        Running r = running_of(w, "trap 'exit 0' TERM; echo MANIFEST /a; while :; do sleep 0.01; done");
        orphans_take(w->orphans, &r, SIGTERM);
        assert_null(r.job);
        assert_null(r.output);
        assert_null(r.exit);
        assert_null(r.report);
        assert_true(orphans_any(w->orphans));
        run_until(w->event, !orphans_any(w->orphans));
        assert_no_children();
}

static void signal_is_the_one_that_was_asked_for(void **state) {
        World *w = *state;
        Running r = running_of(w, "trap '' TERM; echo MANIFEST /a; while :; do sleep 1000; done");
        orphans_take(w->orphans, &r, SIGKILL);
        run_until(w->event, !orphans_any(w->orphans));
        assert_no_children();
}

/* More than a pipe holds, after the signal; the child would wait for ever if nobody read it. */
static void output_after_the_signal_does_not_block_an_orphan(void **state) {
        World *w = *state;
        Running r = running_of(
                w,
                "trap 'yes NOTE x | head -n 100000; exit 0' TERM; echo NOTE x; while :; do sleep 0.01; done");
        orphans_take(w->orphans, &r, SIGTERM);
        run_until(w->event, !orphans_any(w->orphans));
        assert_no_children();
}

static void any_of_several_may_go_first(void **state) {
        World *w = *state;
        static const int order[] = {0, 2, 1};
        Running r[3];
        pid_t pids[3];
        for (size_t i = 0; i < ELEMENTSOF(r); i++) {
                r[i] = running_of(w, "trap '' TERM; echo MANIFEST /a; while :; do sleep 1000; done");
                pids[i] = job_get_pid(r[i].job);
                orphans_take(w->orphans, &r[i], SIGTERM);
        }
        for (size_t i = 0; i < ELEMENTSOF(order); i++) {
                pid_t pid = pids[order[i]];
                assert_true(orphans_any(w->orphans));
                assert_int_equal(kill(-pid, SIGKILL), 0);
                run_until(w->event, kill(pid, 0) < 0);
        }
        assert_false(orphans_any(w->orphans));
        assert_no_children();
}

static void where_there_is_no_child_there_is_no_orphan(void **state) {
        World *w = *state;
        Running none = {.garbled = true, .lines = 5};
        orphans_take(w->orphans, &none, SIGKILL);
        assert_false(orphans_any(w->orphans));
        assert_int_equal(none.lines, 0);
}

static void running_orphans_are_left_alone(void **state) {
        World *w = *state;
        pid_t pids[2];
        for (size_t i = 0; i < ELEMENTSOF(pids); i++) {
                Running r = running_of(w, "trap '' TERM; echo MANIFEST /a; while :; do sleep 1000; done");
                pids[i] = job_get_pid(r.job);
                orphans_take(w->orphans, &r, SIGTERM);
        }
        w->orphans = orphans_free(w->orphans);
        assert_null(w->orphans);
        for (size_t i = 0; i < ELEMENTSOF(pids); i++) {
                assert_int_equal(waitpid(pids[i], NULL, WNOHANG), 0);
                assert_int_equal(kill(-pids[i], SIGKILL), 0);
                assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
        }
        assert_null(orphans_free(NULL));
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(child_that_was_taken_gets_the_signal_and_is_awaited),
                world_test(signal_is_the_one_that_was_asked_for),
                world_test(output_after_the_signal_does_not_block_an_orphan),
                world_test(any_of_several_may_go_first),
                world_test(where_there_is_no_child_there_is_no_orphan),
                world_test(running_orphans_are_left_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
