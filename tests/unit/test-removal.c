/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: builder/transaction/plandraft.c */

#include "helperworld.h"

static size_t index_in(char **v, const char *s) {
        for (size_t i = 0; v && v[i]; i++)
                if (streq(v[i], s))
                        return i;
        fail_msg("%s is not in the list", s);
        return 0;
}

static void what_somebody_else_wrote_is_not_removed(void **state) {
        World *w = *state;
        want_kernel(&w->wanted, "1", "A");
        want(&w->wanted, ROLE_BOOTER, "/theirs.efi", "b");
        want(&w->wanted, ROLE_BOOTER, "/ours.efi", "b");
        assert_int_equal(strv_extend(&w->record.ours, "/OURS.efi"), 0);
        world_name(w);
        for (size_t i = 0; i < w->wanted.n; i++)
                w->views[i] = (HelperView){.standing = STANDING_EQUAL};
        world_carry_out(w, BOOT_NOW);
        for (size_t i = 0; i < w->record.carried.n; i++)
                assert_int_equal(w->record.carried.items[i].adopted,
                                 streq(w->record.carried.items[i].to, "/theirs.efi"));
        want_kernel(&w->wanted, "1", "A");
        want(&w->wanted, ROLE_MISC, "/theirs.efi", "another");
        assert_int_equal(world_plan(w), 0);
        assert_true(w->plan->steps[0].foreign);
        assert_list(w->plan->remove, "/ours.efi");
}

static void entries_go_before_what_they_name(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_NOW);

        want_kernel(&w->wanted, "2", "A");
        want(&w->wanted, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "booter");
        assert_int_equal(world_plan(w), 0);
        assert_true(index_in(w->plan->remove, "/loader/entries/1.conf") < index_in(w->plan->remove, linux_a));
        free(linux_a);
}

static void a_file_that_only_changed_its_case_is_not_removed(void **state) {
        World *w = *state;
        free(start_with_kernel(w, BOOT_NOW));
        want_kernel(&w->wanted, "1", "A");
        want(&w->wanted, ROLE_BOOTER, "/efi/boot/bootx64.efi", "booter");
        assert_int_equal(world_plan(w), 0);
        assert_null(w->plan->remove);
}

static void leftovers_of_an_interrupted_build_go(void **state) {
        World *w = *state;
        free(start_with_kernel(w, BOOT_NOW));
        w->record.intent = true;
        assert_int_equal(strv_extend(&w->record.ours, "/m/1/linux-deadbeef"), 0);
        assert_int_equal(strv_extend(&w->record.ours, "/EFI/BOOT/BOOTX64.EFI"), 0);
        want_kernel_1(w, "A");
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(strv_length(w->plan->remove), 1);
        assert_string_equal(w->plan->remove[0], "/m/1/linux-deadbeef");
}

static void all_entries_go_then_what_was_left_from_its_end_then_the_files(void **state) {
        World *w = *state;
        (void) carry(&w->record.carried, ROLE_REQUIRED, "/c1", "/c1", "x");
        (void) carry(&w->record.carried, ROLE_ENTRY, "/c2.conf", "/c2.conf", "x");
        (void) carry(&w->record.carried, ROLE_MISC, "/c3", "/c3", "x");
        (void) carry(&w->record.carried, ROLE_ENTRY, "/c4.conf", "/c4.conf", "x");
        carry(&w->record.carried, ROLE_MISC, "/theirs", "/theirs", "x")->adopted = true;
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/k1", BOOT_BEFORE);
        (void) keep(&w->record.kept, ROLE_ENTRY, "/k2.conf", BOOT_BEFORE);
        (void) keep(&w->record.kept, ROLE_ENTRY, "/k3.conf", BOOT_BEFORE);
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/k4", BOOT_BEFORE);
        assert_int_equal(strv_extend(&w->record.ours, "/o1"), 0);
        assert_int_equal(strv_extend(&w->record.ours, "/o2"), 0);
        w->in.force = true;
        assert_int_equal(world_plan(w), 0);
        assert_list(w->plan->remove, "/c2.conf", "/c4.conf", "/k2.conf", "/k3.conf", "/o2", "/o1", "/c1",
                    "/c3", "/k1", "/k4");
        want(&w->wanted, ROLE_MISC, "/C3", "x");
        want(&w->wanted, ROLE_MISC, "/o1", "x");
        w->in.running = true;
        for (size_t i = 0; i < w->record.kept.n; i++)
                assert_true(free_and_strdup(&w->record.kept.items[i].boot, BOOT_NOW) >= 0);
        assert_int_equal(world_plan(w), 0);
        assert_list(w->plan->remove, "/c2.conf", "/c4.conf", "/o2", "/c1");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(what_somebody_else_wrote_is_not_removed),
                world_test(entries_go_before_what_they_name),
                world_test(a_file_that_only_changed_its_case_is_not_removed),
                world_test(leftovers_of_an_interrupted_build_go),
                world_test(all_entries_go_then_what_was_left_from_its_end_then_the_files),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
