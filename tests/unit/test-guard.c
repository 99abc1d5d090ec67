/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

static void a_helper_is_not_left_without_entry(void **state) {
        World *w = *state;
        free(start_with_kernel(w, BOOT_NOW));
        want(&w->wanted, ROLE_REQUIRED, "/m/1/linux", "k");
        want(&w->wanted, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "booter");
        assert_int_equal(world_plan(w), -EPERM);
        assert_non_null(strstr(w->reason, "without a boot entry"));
        assert_non_null(strstr(w->reason, "--force"));
        w->in.force = true;
        assert_int_equal(world_decide(w), 0);
}

static void a_helper_is_not_left_without_anything_to_boot(void **state) {
        World *w = *state;
        free(start_with_kernel(w, BOOT_NOW));
        want(&w->wanted, ROLE_ENTRY, "/loader/entries/1.conf", "x");
        want(&w->wanted, ROLE_MISC, "/a", "x");
        assert_int_equal(world_plan(w), -EPERM);
        assert_non_null(strstr(w->reason, "without anything to boot"));
}

static void most_of_a_helper_is_not_removed_at_once(void **state) {
        World *w = *state;
        for (const char *v = "1\0"
                             "2\0"
                             "3\0"
                             "4\0";
             *v; v += 2)
                want_kernel(&w->wanted, v, "A");
        assert_int_equal(world_plan(w), 0);
        world_carry_out(w, BOOT_NOW);
        want_kernel(&w->wanted, "4", "A");
        assert_int_equal(world_plan(w), -EPERM);
        assert_non_null(strstr(w->reason, "6 of 8 files would be removed"));
        w->in.force = true;
        assert_int_equal(world_decide(w), 0);
        assert_int_equal(strv_length(w->plan->remove), 6);
}

static void half_of_a_helper_may_go(void **state) {
        World *w = *state;
        want_kernel(&w->wanted, "1", "A");
        want_kernel(&w->wanted, "2", "A");
        assert_int_equal(world_plan(w), 0);
        world_carry_out(w, BOOT_NOW);
        want_kernel(&w->wanted, "2", "A");
        assert_int_equal(world_plan(w), 0);
}

static void one_kernel_for_another_is_no_loss(void **state) {
        World *w = *state;
        want_kernel(&w->wanted, "1", "A");
        assert_int_equal(world_plan(w), 0);
        world_carry_out(w, BOOT_NOW);
        want_kernel(&w->wanted, "2", "A");
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(strv_length(w->plan->remove), 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(a_helper_is_not_left_without_entry),
                world_test(a_helper_is_not_left_without_anything_to_boot),
                world_test(most_of_a_helper_is_not_removed_at_once),
                world_test(half_of_a_helper_may_go),
                world_test(one_kernel_for_another_is_no_loss),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
