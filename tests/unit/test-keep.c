/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: builder/transaction/plandraft.c builder/transaction/decision.c */

#include "helperworld.h"

static size_t index_in(char **v, const char *s) {
        for (size_t i = 0; v && v[i]; i++)
                if (streq(v[i], s))
                        return i;
        fail_msg("%s is not in the list", s);
        return 0;
}

static void what_was_booted_is_kept_with_an_entry_of_its_own(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(world_plan(w), 0);
        assert_true(is_kept(w, linux_a));
        assert_true(is_kept(w, "/loader/entries/1-previous.conf"));
        assert_null(w->plan->remove);
        const HelperStep *p = &w->plan->steps[step_of(w, "/loader/entries/1-previous.conf")];
        assert_true(entry_has_word(p->text, p->size, linux_a));
        assert_true(step_of(w, p->path) < step_of(w, "/loader/entries/1.conf"));
        free(linux_a);
}

static void it_is_kept_through_further_builds_of_the_same_boot(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(world_plan(w), 0);
        char *linux_b = copy(path_of(w, "/m/1/linux"));
        world_carry_out(w, NULL);
        want_kernel_1(w, "C");
        assert_int_equal(world_plan(w), 0);
        assert_true(is_kept(w, linux_a));
        assert_true(is_kept(w, "/loader/entries/1-previous.conf"));
        assert_int_equal(strv_length(w->plan->remove), 1); /* B never booted */
        assert_string_equal(w->plan->remove[0], linux_b);
        free(linux_a);
        free(linux_b);
}

static void a_build_in_a_later_boot_lets_it_go(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(world_plan(w), 0);
        char *linux_b = copy(path_of(w, "/m/1/linux"));
        world_carry_out(w, NULL);
        w->in.boot_id = "33333333-3333-3333-3333-333333333333";
        want_kernel_1(w, "C");
        assert_int_equal(world_plan(w), 0);
        assert_true(is_kept(w, linux_b));
        assert_false(is_kept(w, linux_a));
        assert_true(index_in(w->plan->remove, linux_a) < SIZE_MAX);
        free(linux_a);
        free(linux_b);
}

static void a_build_in_a_later_boot_of_the_kept_set_lets_the_other_go(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE), cmdline[64];

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(world_plan(w), 0);
        char *linux_b = copy(path_of(w, "/m/1/linux"));
        world_carry_out(w, NULL);
        (void) snprintf(cmdline, sizeof(cmdline), "BOOT_IMAGE=(hd0,gpt1)%s ro", linux_a);
        w->in.boot_id = "33333333-3333-3333-3333-333333333333";
        w->in.cmdline = cmdline;
        want_kernel_1(w, "C");
        assert_int_equal(world_plan(w), 0);
        assert_true(is_kept(w, linux_a));
        assert_true(is_kept(w, "/loader/entries/1-previous.conf"));
        assert_int_equal(strv_length(w->plan->remove), 1);
        assert_string_equal(w->plan->remove[0], linux_b);
        free(linux_a);
        free(linux_b);
}

static void a_volume_that_was_not_booted_keeps_nothing(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        want_kernel_1(w, "B");
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->kept.n, 0);
        assert_string_equal(w->plan->remove[0], linux_a);
        free(linux_a);
}

static void a_kernel_that_is_removed_while_it_runs_is_kept(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel(&w->wanted, "2", "A");
        want(&w->wanted, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "booter");
        assert_int_equal(world_plan(w), 0);
        assert_true(is_kept(w, linux_a));
        assert_true(is_kept(w, "/loader/entries/1-previous.conf"));
        assert_int_equal(strv_length(w->plan->remove), 1);
        assert_string_equal(w->plan->remove[0], "/loader/entries/1.conf");
        free(linux_a);
}

/* Its content is not in memory then, but on the volume. */
static void an_entry_may_become_a_file_of_another_role(void **state) {
        char text[ENTRY_SECTOR + 1] = {};
        World *w = *state;
        memset(text, 'x', ENTRY_SECTOR);
        w->in.running = true;
        free(start_with_kernel(w, BOOT_BEFORE));
        want_kernel_1(w, "A");
        want(&w->wanted, ROLE_ENTRY, "/grub.cfg", text);
        assert_int_equal(world_plan(w), 0);
        world_carry_out(w, BOOT_BEFORE);
        want_kernel_1(w, "A");
        want(&w->wanted, ROLE_BOOTER, "/grub.cfg", text);
        assert_int_equal(world_plan(w), 0);
        assert_true(is_kept(w, "/grub-previous.cfg"));
        assert_null(w->plan->remove);
}

static void what_an_interrupted_build_brought_is_kept_once_it_was_booted(void **state) {
        World *w = *state;
        free(start_with_kernel(w, BOOT_BEFORE));
        SeenFile *entry = &w->entries.items[0];
        free(entry->text);
        entry->text = copy("linux /m/1/linux-bbbbbbbb\n");
        entry->size = strlen(entry->text);
        world_leave(w, "/m/1/linux-bbbbbbbb", NULL);
        w->in.running = true;
        want_kernel_1(w, "C");
        assert_int_equal(world_plan(w), 0);
        assert_true(is_kept(w, "/loader/entries/1-previous.conf"));
        assert_true(is_kept(w, "/m/1/linux-bbbbbbbb"));
}

/* The kernel of the kept set, and what the boot loader passed. */
static void assert_started(const char *cmdline, bool started) {
        World *w = NULL;
        assert_int_equal(world_setup((void **) &w), 0);
        (void) keep(&w->record.kept, ROLE_ENTRY, "/e-previous.conf", BOOT_BEFORE);
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/m/linux-aaaa", BOOT_BEFORE);
        w->in.running = true;
        w->in.cmdline = cmdline;
        assert_int_equal(world_plan(w), 0);
        if ((w->plan->kept.n == 2) != started || (w->plan->kept.n == 0) != !started)
                fail_msg("%s", cmdline);
        assert_int_equal(world_teardown((void **) &w), 0);
}

static void the_command_line_says_which_set_was_booted(void **state) {
        assert_started("BOOT_IMAGE=/m/linux-aaaa", true);
        assert_started("initrd=\\m\\linux-aaaa quiet", true);
        assert_started("x=linux-aaaab y=linux-aaaa", true);
        assert_started("BOOT_IMAGE=/m/linux-aaaa0", false);
        assert_started("BOOT_IMAGE=/m/linux-aaaaz quiet", false);
        assert_started("BOOT_IMAGE=/m/linux-aaa quiet", false);
        assert_started("e-previous.conf", false);
        assert_started("", false);
}

static void what_is_wanted_again_is_not_kept(void **state) {
        World *w = *state;
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/linux", BOOT_NOW);
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/other", BOOT_NOW);
        want(&w->wanted, ROLE_REQUIRED, "/LINUX", "x");
        w->in.running = true;
        w->in.cmdline = "linux";
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->kept.n, 1);
        assert_string_equal(w->plan->kept.items[0].path, "/other");
        assert_string_equal(w->plan->kept.items[0].boot, BOOT_NOW);
        assert_null(w->plan->kept.items[0].text);
}

/* Its second name may already be taken. */
static void an_entry_is_not_kept_over_a_wanted_file(void **state) {
        World *w = *state;
        free(start_with_kernel(w, BOOT_BEFORE));
        want_kernel_1(w, "B");
        want(&w->wanted, ROLE_MISC, "/loader/entries/1-previous.conf", "mine");
        w->in.running = true;
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->kept.n, 0);
}

/* All files that an entry names, and each only once even if two entries name it. */
static void what_entries_name_is_kept_once(void **state) {
        World *w = *state;
        want(&w->wanted, ROLE_REQUIRED, "/linux", "k");
        want(&w->wanted, ROLE_REQUIRED, "/initrd", "i");
        want(&w->wanted, ROLE_ENTRY, "/a.conf", "linux /linux\ninitrd /initrd\n");
        want(&w->wanted, ROLE_ENTRY, "/b.conf", "linux /linux\ninitrd /initrd\nother\n");
        assert_int_equal(world_plan(w), 0);
        world_carry_out(w, BOOT_BEFORE);
        want(&w->wanted, ROLE_REQUIRED, "/linux", "k2");
        want(&w->wanted, ROLE_REQUIRED, "/initrd", "i");
        want(&w->wanted, ROLE_ENTRY, "/a.conf", "linux /linux\ninitrd /initrd\n");
        w->in.running = true;
        w->in.force = true;
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->kept.n, 3); /* two entries and the old kernel; the initrd is wanted */
        assert_true(is_kept(w, "/a-previous.conf") && is_kept(w, "/b-previous.conf"));
}

/* It boots as before: nothing needs to be kept besides it. */
static void an_entry_that_stays_as_it_is_is_not_kept(void **state) {
        World *w = *state;
        free(start_with_kernel(w, BOOT_BEFORE));
        want_kernel_1(w, "A");
        want(&w->wanted, ROLE_MISC, "/new", "x");
        w->in.running = true;
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->kept.n, 0);
        assert_int_equal(w->plan->n_steps, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(what_was_booted_is_kept_with_an_entry_of_its_own),
                world_test(it_is_kept_through_further_builds_of_the_same_boot),
                world_test(a_build_in_a_later_boot_lets_it_go),
                world_test(a_build_in_a_later_boot_of_the_kept_set_lets_the_other_go),
                world_test(a_volume_that_was_not_booted_keeps_nothing),
                world_test(a_kernel_that_is_removed_while_it_runs_is_kept),
                world_test(an_entry_may_become_a_file_of_another_role),
                world_test(what_an_interrupted_build_brought_is_kept_once_it_was_booted),
                cmocka_unit_test(the_command_line_says_which_set_was_booted),
                world_test(what_is_wanted_again_is_not_kept),
                world_test(an_entry_is_not_kept_over_a_wanted_file),
                world_test(what_entries_name_is_kept_once),
                world_test(an_entry_that_stays_as_it_is_is_not_kept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
