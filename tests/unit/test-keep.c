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
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
