/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

#include "builder/transaction/guard.h"

static void a_helper_is_not_left_without_entry(void **state) {
        World *w = *state;
        free(start_with_kernel(w, BOOT_NOW));
        want(&w->wanted, ROLE_REQUIRED, "/m/1/linux", "k");
        want(&w->wanted, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "booter");
        assert_int_equal(world_plan(w), -EPERM);
        assert_contains(w->reason, "without a boot entry");
        assert_contains(w->reason, "--force");
        w->in.force = true;
        assert_int_equal(world_decide(w), 0);
}

static void a_helper_is_not_left_without_anything_to_boot(void **state) {
        World *w = *state;
        free(start_with_kernel(w, BOOT_NOW));
        want(&w->wanted, ROLE_ENTRY, "/loader/entries/1.conf", "x");
        want(&w->wanted, ROLE_MISC, "/a", "x");
        assert_int_equal(world_plan(w), -EPERM);
        assert_contains(w->reason, "without anything to boot");
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
        assert_contains(w->reason, "6 of 8 files would be removed");
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

/* Of N_OLD misc files all but KEPT are removed, and N_NEW are added. */
static int change_files(unsigned n_old, unsigned kept, unsigned n_new) {
        World *w = NULL;
        char name[16];
        assert_int_equal(world_setup((void **) &w), 0);
        for (unsigned i = 0; i < n_old; i++) {
                (void) snprintf(name, sizeof(name), "/Old%u", i);
                (void) carry(&w->record.carried, ROLE_MISC, name, name, "x");
        }
        for (unsigned i = 0; i < kept + n_new; i++) {
                (void) snprintf(name, sizeof(name), i < kept ? "/old%u" : "/new%u", i);
                want(&w->wanted, ROLE_MISC, name, "x");
        }
        int r = world_plan(w);
        assert_int_equal(world_teardown((void **) &w), 0);
        return r;
}

static void removing_more_than_half_of_the_files_is_refused(void **state) {
        static const struct {
                unsigned n_old, kept, n_new;
                int r;
        } cases[] = {
                {0, 0, 0, 0},      {1, 1, 0, 0},      {1, 0, 0, -EPERM}, {2, 1, 0, 0},
                {3, 1, 0, -EPERM}, {3, 2, 0, 0},      {4, 2, 0, 0},      {4, 1, 0, -EPERM},
                {4, 1, 1, 0},      {4, 0, 1, -EPERM}, {4, 0, 2, 0},      {4, 0, 9, 0},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (change_files(cases[i].n_old, cases[i].kept, cases[i].n_new) != cases[i].r)
                        fail_msg("case %zu", i);
}

static void what_was_never_there_is_not_missed(void **state) {
        World *w = *state;
        (void) carry(&w->record.carried, ROLE_MISC, "/a", "/a", "x");
        want(&w->wanted, ROLE_MISC, "/a", "x");
        assert_int_equal(world_plan(w), 0); /* neither entry nor booter, as before */
        (void) carry(&w->record.carried, ROLE_BOOTER, "/b", "/b", "x");
        assert_int_equal(world_decide(w), -EPERM);
        assert_string_equal(w->reason,
                            "would be left without anything to boot (use --force if this is intended)");
}

/* The sets as roles: r, e, b, m; the files have new names each time. */
static int change_roles(const char *old, const char *new) {
        static const char letters[] = "rebm";
        World *w = NULL;
        char name[] = "/a";
        assert_int_equal(world_setup((void **) &w), 0);
        for (; *old; old++, name[1]++)
                (void) carry(&w->record.carried, (CopyRole) (strchr(letters, *old) - letters), name, name,
                             "x");
        for (; *new; new ++, name[1]++)
                want(&w->wanted, (CopyRole) (strchr(letters, *new) - letters), name, "x");
        world_name(w);
        int r = guard_helper(&w->in, &w->reason);
        int what = r == 0                                          ? 0
                   : strstr(w->reason, "without a boot entry")     ? 'e'
                   : strstr(w->reason, "without anything to boot") ? 'b'
                                                                   : '?';
        assert_true(r == 0 || r == -EPERM);
        assert_int_equal(world_teardown((void **) &w), 0);
        return what;
}

static void what_boots_a_machine_does_not_go_altogether(void **state) {
        static const struct {
                const char *old, *new;
                int refused;
        } cases[] = {
                {"reb", "reb", 0},   {"r", "b", 0},     {"b", "r", 0},     {"r", "m", 'b'},
                {"b", "m", 'b'},     {"rb", "mm", 'b'}, {"rb", "mb", 0},   {"rb", "rm", 0},
                {"e", "m", 'e'},     {"e", "r", 'e'},   {"e", "b", 'e'},   {"ee", "em", 0},
                {"re", "rm", 'e'},   {"re", "em", 'b'}, {"em", "mm", 'e'}, {"m", "reb", 0},
                {"rreb", "rebb", 0}, {"mm", "mm", 0},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (change_roles(cases[i].old, cases[i].new) != cases[i].refused)
                        fail_msg("%s to %s", cases[i].old, cases[i].new);
}

/* As only a stranger writes a record. */
static void a_name_that_is_listed_twice_does_no_harm(void **state) {
        World *w = *state;
        for (unsigned i = 0; i < 2; i++) {
                (void) carry(&w->record.carried, ROLE_MISC, "/twice", "/twice", "x");
                want(&w->wanted, ROLE_MISC, "/twice", "x");
                w->wanted.items[i].path = copy("/twice");
        }
        assert_int_equal(guard_helper(&w->in, NULL), 0);
        w->wanted.items[1].to[1] = 'T';
        assert_int_equal(guard_helper(&w->in, NULL), 0);
}

static void who_insists_is_not_refused(void **state) {
        World *w = *state;
        (void) carry(&w->record.carried, ROLE_BOOTER, "/b", "/b", "x");
        assert_int_equal(guard_helper(&w->in, NULL), -EPERM);
        w->in.force = true;
        assert_int_equal(guard_helper(&w->in, NULL), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(a_helper_is_not_left_without_entry),
                world_test(a_helper_is_not_left_without_anything_to_boot),
                world_test(most_of_a_helper_is_not_removed_at_once),
                world_test(half_of_a_helper_may_go),
                world_test(one_kernel_for_another_is_no_loss),
                cmocka_unit_test(removing_more_than_half_of_the_files_is_refused),
                world_test(what_was_never_there_is_not_missed),
                cmocka_unit_test(what_boots_a_machine_does_not_go_altogether),
                world_test(a_name_that_is_listed_twice_does_no_harm),
                world_test(who_insists_is_not_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
