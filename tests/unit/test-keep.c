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

static void a_build_in_a_later_boot_drops_it(void **state) {
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

static void a_build_after_booting_the_kept_set_drops_the_other(void **state) {
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

/* It was not booted, so there is nothing to go back to. */
static void a_set_of_this_boot_is_not_kept(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_NOW);
        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->kept.n, 0);
        assert_list(w->plan->remove, linux_a);
        free(linux_a);
}

/* Whichever of its files the boot loader passed. */
static void a_kept_set_was_booted_by_any_of_its_files(void **state) {
        static const char *const lines[] = {"BOOT_IMAGE=/linux", "initrd=/initrd"};
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                World *w = NULL;
                assert_int_equal(world_setup((void **) &w), 0);
                (void) keep(&w->record.kept, ROLE_REQUIRED, "/linux", BOOT_BEFORE);
                (void) keep(&w->record.kept, ROLE_REQUIRED, "/initrd", BOOT_BEFORE);
                w->in.running = true;
                w->in.cmdline = lines[i];
                assert_int_equal(world_plan(w), 0);
                assert_true(is_kept(w, "/linux") && is_kept(w, "/initrd"));
                assert_int_equal(world_teardown((void **) &w), 0);
        }
}

/* The boot loader passed a kernel that both sets have. */
static void a_kernel_of_both_sets_does_not_say_that_the_kept_one_was_booted(void **state) {
        World *w = *state;
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/linux", BOOT_BEFORE);
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/initrd", BOOT_BEFORE);
        want(&w->wanted, ROLE_REQUIRED, "/linux", "x");
        w->in.running = true;
        w->in.cmdline = "BOOT_IMAGE=/linux";
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->kept.n, 0);
        assert_list(w->plan->remove, "/initrd");
}

/* Nobody writes such a record but a stranger. */
static void a_kept_name_that_is_empty_or_there_twice_does_no_harm(void **state) {
        World *w = *state;
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/", BOOT_BEFORE);
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/twice", BOOT_NOW);
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/twice", BOOT_NOW);
        w->in.running = true;
        w->in.cmdline = "quiet";
        assert_int_equal(world_plan(w), 0);
        assert_true(is_kept(w, "/twice") && !is_kept(w, "/"));
}

static void what_is_kept_on_is_recorded_as_before(void **state) {
        World *w = *state;
        const KeptFile *before = keep(&w->record.kept, ROLE_MISC, "/kept", BOOT_NOW);
        w->in.running = true;
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->kept.n, 1);
        const KeptFile *f = &w->plan->kept.items[0];
        assert_int_equal(f->role, ROLE_MISC);
        assert_int_equal(f->size, before->size);
        assert_true(fingerprint_equal(&f->content, &before->content));
        assert_null(f->text);
}

static const KeptFile *kept_at(const World *w, const char *path) {
        for (size_t i = 0; i < w->plan->kept.n; i++)
                if (streq(w->plan->kept.items[i].path, path))
                        return &w->plan->kept.items[i];
        fail_msg("%s is not kept", path);
        return NULL;
}

/* The entry is on the helper as TEXT, and was booted. */
static void boot_entry(World *w, const char *text) {
        (void) carry(&w->record.carried, ROLE_ENTRY, "/e.conf", "/e.conf", text);
        see(&w->entries, "/e.conf", text);
        w->entries.items[0].boot = copy(BOOT_BEFORE);
        w->in.running = true;
        w->in.force = true; /* no guards */
}

/* Of what the record carries and of what an interrupted build left: what is named after its content. A name
 * that is wanted again may get other content, and a fixed one will. */
static void all_that_the_booted_entry_names_is_kept_by_content(void **state) {
        World *w = *state;
        (void) carry(&w->record.carried, ROLE_MISC, "/splash", "/splash", "s");
        (void) carry(&w->record.carried, ROLE_REQUIRED, "/fixed", "/fixed", "f");
        (void) carry(&w->record.carried, ROLE_REQUIRED, "/l", "/l-1", "kernel");
        (void) carry(&w->record.carried, ROLE_REQUIRED, "/i", "/i-1", "initrd");
        (void) carry(&w->record.carried, ROLE_REQUIRED, "/o", "/o-1", "other");
        boot_entry(w, "linux /l-1\ninitrd /i-1 /left-2\nx /splash /fixed\ny /left-3\n");
        world_leave(w, "/splash", NULL);
        world_leave(w, "/left-1", NULL);
        world_leave(w, "/left-2", "12345");
        world_leave(w, "/left-3", NULL);
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->kept.n, 5);
        const KeptFile *entry = kept_at(w, "/e-previous.conf"), *linux_1 = kept_at(w, "/l-1"),
                       *left = kept_at(w, "/left-2");
        (void) kept_at(w, "/i-1");
        (void) kept_at(w, "/left-3");
        Fingerprint of_entry = content(entry->text), of_linux = content("kernel");
        assert_int_equal(entry->role, ROLE_ENTRY);
        assert_int_equal(entry->size, ENTRY_SECTOR);
        assert_true(fingerprint_equal(&entry->content, &of_entry));
        assert_int_equal(linux_1->role, ROLE_REQUIRED);
        assert_int_equal(linux_1->size, strlen("kernel"));
        assert_true(fingerprint_equal(&linux_1->content, &of_linux));
        assert_int_equal(left->role, ROLE_REQUIRED);
        assert_int_equal(left->size, strlen("12345"));
        assert_true(fingerprint_equal(&left->content, &(Fingerprint){}));
        for (size_t i = 0; i < w->plan->kept.n; i++)
                assert_string_equal(w->plan->kept.items[i].boot, BOOT_NOW);
}

/* A long one, of a size that leaves no byte between it and what comes after it in memory. */
static void a_long_entry_is_kept_byte_by_byte(void **state) {
        char text[1033] = "";
        World *w = *state;
        memset(text, 'x', sizeof(text) - 1);
        boot_entry(w, text);
        assert_int_equal(world_plan(w), 0);
        const KeptFile *entry = kept_at(w, "/e-previous.conf");
        assert_int_equal(entry->size, sizeof(text) - 1);
        assert_string_equal(entry->text, text);
}

/* As an editor on the running system leaves it. */
static void an_entry_that_somebody_has_added_to_is_kept(void **state) {
        char text[ENTRY_SECTOR + 8] = "";
        World *w = *state;
        memset(text, 'x', ENTRY_SECTOR);
        want(&w->wanted, ROLE_ENTRY, "/e.conf", text);
        memcpy(text + ENTRY_SECTOR, " more\n", sizeof(" more\n"));
        boot_entry(w, text);
        assert_int_equal(world_plan(w), 0);
        assert_string_equal(kept_at(w, "/e-previous.conf")->text, text);
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
                world_test(a_build_in_a_later_boot_drops_it),
                world_test(a_build_after_booting_the_kept_set_drops_the_other),
                world_test(a_volume_that_was_not_booted_keeps_nothing),
                world_test(a_kernel_that_is_removed_while_it_runs_is_kept),
                world_test(an_entry_may_become_a_file_of_another_role),
                world_test(what_an_interrupted_build_brought_is_kept_once_it_was_booted),
                cmocka_unit_test(the_command_line_says_which_set_was_booted),
                world_test(what_is_wanted_again_is_not_kept),
                world_test(an_entry_is_not_kept_over_a_wanted_file),
                world_test(what_entries_name_is_kept_once),
                world_test(an_entry_that_stays_as_it_is_is_not_kept),
                world_test(a_set_of_this_boot_is_not_kept),
                cmocka_unit_test(a_kept_set_was_booted_by_any_of_its_files),
                world_test(a_kernel_of_both_sets_does_not_say_that_the_kept_one_was_booted),
                world_test(a_kept_name_that_is_empty_or_there_twice_does_no_harm),
                world_test(what_is_kept_on_is_recorded_as_before),
                world_test(all_that_the_booted_entry_names_is_kept_by_content),
                world_test(a_long_entry_is_kept_byte_by_byte),
                world_test(an_entry_that_somebody_has_added_to_is_kept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
