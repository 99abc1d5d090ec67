/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: builder/transaction/plandraft.c builder/transaction/helperplan.c */

#include "helperworld.h"

static void the_first_set_is_written_in_order_of_roles(void **state) {
        World *w = *state;
        want(&w->wanted, ROLE_MISC, "/splash", "s");
        want(&w->wanted, ROLE_BOOTER, "/boot.efi", "b");
        want_kernel(&w->wanted, "1", "A");
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->n_steps, 4);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(w->plan->steps[i].role, i);
                assert_int_equal(w->plan->steps[i].kind, STEP_RENAME);
                assert_false(w->plan->steps[i].foreign);
        }
        assert_null(w->plan->remove);
        assert_int_equal(w->plan->needed, 4 * 4096);
}

static void files_that_are_there_already_are_left_alone(void **state) {
        World *w = *state;
        free(start_with_kernel(w, BOOT_BEFORE));
        want_kernel_1(w, "A");
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->n_steps, 0);
        assert_int_equal(w->plan->bytes, 0);
        assert_null(w->plan->remove);
        assert_true(helper_plan_is_empty(w->plan));
}

static void a_new_kernel_is_switched_by_one_sector(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_NOW);

        want_kernel_1(w, "B");
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->n_steps, 2);
        size_t kernel = step_of(w, path_of(w, "/m/1/linux")), entry = step_of(w, "/loader/entries/1.conf");
        assert_true(kernel < entry);
        assert_int_equal(w->plan->steps[entry].kind, STEP_OVERWRITE);
        assert_int_equal(strv_length(w->plan->remove), 1);
        assert_string_equal(w->plan->remove[0], linux_a);
        free(linux_a);
}

static void a_plan_is_empty_if_it_does_nothing(void **state) {
        char *paths[] = {(char *) "/a", NULL};
        HelperStep step = {};
        assert_true(helper_plan_is_empty(&(HelperPlan){.kept = {.n = 1}, .needed = 1}));
        assert_false(helper_plan_is_empty(&(HelperPlan){.steps = &step, .n_steps = 1}));
        assert_false(helper_plan_is_empty(&(HelperPlan){.drop = paths}));
        assert_false(helper_plan_is_empty(&(HelperPlan){.remove = paths}));
        assert_false(helper_plan_is_empty(&(HelperPlan){.without_misc = true}));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(the_first_set_is_written_in_order_of_roles),
                world_test(files_that_are_there_already_are_left_alone),
                world_test(a_new_kernel_is_switched_by_one_sector),
                cmocka_unit_test(a_plan_is_empty_if_it_does_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
