/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/activity.h"

#include "scratch.h"

#define START (1000 * USEC_PER_SEC)

typedef struct Step {
        uint64_t cpu_usec, io_bytes; /* used since the step before */
        bool active;
} Step;

/* One step a second. */
static void assert_steps(const Step *steps, size_t n) {
        Activity a = {.since_usec = START};
        Usage usage = {};
        for (size_t i = 0; i < n; i++) {
                usage.cpu_usec += steps[i].cpu_usec;
                usage.io_bytes += steps[i].io_bytes;
                assert_int_equal(activity_judge(&a, &usage, START + (i + 1) * USEC_PER_SEC), steps[i].active);
        }
}

static void one_that_computes_is_active(void **state) {
        static const Step steps[] = {{100000, 0, true}, {1000000, 0, true}, {100000, 0, true}};
        assert_steps(steps, ELEMENTSOF(steps));
}

static void one_that_reads_or_writes_is_active(void **state) {
        static const Step steps[] = {
                {0, 512, true}, {0, 0, false}, {0, 0, false}, {0, 1, true}, {0, 0, false}};
        assert_steps(steps, ELEMENTSOF(steps));
}

static void one_that_sleeps_is_not(void **state) {
        static const Step steps[30] = {};
        assert_steps(steps, ELEMENTSOF(steps));
}

/* As when other programs leave it little. */
static void little_that_adds_up_is_activity(void **state) {
        static const Step steps[] = {
                {99999, 0, false}, {1, 0, true},      {50000, 0, false}, {50000, 0, true},
                {10000, 0, false}, {10000, 0, false}, {10000, 0, false}, {70000, 0, true},
        };
        assert_steps(steps, ELEMENTSOF(steps));
}

/* A loop that looks whether something is there yet. */
static void less_within_ten_seconds_is_not(void **state) {
        Step steps[60] = {};
        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                steps[i].cpu_usec = 9999;
        assert_steps(steps, ELEMENTSOF(steps));
        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                steps[i] = (Step){.cpu_usec = 10000, .active = i % 10 == 9};
        assert_steps(steps, ELEMENTSOF(steps));
}

/* What it had used is lost, if nobody waits for it. */
static void end_of_a_process_that_did_something_is_activity(void **state) {
        Activity a = {.since = {.cpu_usec = 500000, .io_bytes = 7}, .since_usec = START};
        Usage usage = {.cpu_usec = 450000, .io_bytes = 7};
        assert_false(activity_judge(&a, &usage, START + USEC_PER_SEC));
        usage.cpu_usec = 400000;
        assert_true(activity_judge(&a, &usage, START + USEC_PER_SEC));
        usage.io_bytes = 6;
        assert_true(activity_judge(&a, &usage, START + USEC_PER_SEC));
        assert_false(activity_judge(&a, &usage, START + USEC_PER_SEC));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_that_computes_is_active),
                cmocka_unit_test(one_that_reads_or_writes_is_active),
                cmocka_unit_test(one_that_sleeps_is_not),
                cmocka_unit_test(little_that_adds_up_is_activity),
                cmocka_unit_test(less_within_ten_seconds_is_not),
                cmocka_unit_test(end_of_a_process_that_did_something_is_activity),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
