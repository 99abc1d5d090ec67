/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: builder/transaction/plandraft.c builder/transaction/keep.c */

#include "helperworld.h"

static void too_little_room_is_reported_in_numbers(void **state) {
        World *w = *state;
        want_kernel(&w->wanted, "1", "A");
        w->in.available = 4096;
        w->in.n_directories = 1;
        assert_int_equal(world_plan(w), -ENOSPC);
        assert_string_equal(w->reason, "12.0 KiB needed, 4.0 KiB free");
}

static void misc_files_are_left_out_before_anything_fails(void **state) {
        World *w = *state;
        want_kernel(&w->wanted, "1", "A");
        want(&w->wanted, ROLE_MISC, "/splash", "s");
        w->in.available = 8192;
        assert_int_equal(world_plan(w), 0);
        assert_true(w->plan->without_misc);
        assert_int_equal(w->plan->n_steps, 2);
}

static void the_kept_set_makes_room_first_and_its_entry_goes_first(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(world_plan(w), 0);
        world_carry_out(w, NULL);
        want_kernel_1(w, "C");
        w->in.available = 0;
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(strv_length(w->plan->drop), 2);
        assert_string_equal(w->plan->drop[0], "/loader/entries/1-previous.conf");
        assert_string_equal(w->plan->drop[1], linux_a);
        assert_int_equal(w->plan->kept.n, 0);
        free(linux_a);
}

static void what_nothing_needs_makes_room_before_the_kept_set(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(world_plan(w), 0);
        world_carry_out(w, NULL);
        world_leave(w, "/m/1/linux-deadbeef", NULL);
        world_leave(w, "/m/1/linux-00000000", NULL);
        want_kernel_1(w, "C");
        w->in.available = 0;
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(strv_length(w->plan->drop), 2);
        assert_string_equal(w->plan->drop[0], "/m/1/linux-00000000"); /* the last that was written */
        assert_true(is_kept(w, linux_a));
        assert_int_equal(strv_length(w->plan->remove), 1); /* B */
        free(linux_a);
}

static void what_an_interrupted_build_switched_to_stays_and_what_it_switched_from_makes_room(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_NOW);
        SeenFile *entry = &w->entries.items[0];

        free(entry->text);
        entry->text = copy("linux /m/1/linux-bbbbbbbb\n");
        entry->size = strlen(entry->text);
        world_leave(w, "/m/1/linux-bbbbbbbb", NULL);
        world_leave(w, "/m/2/linux-22222222", NULL);
        world_leave(w, "/loader/entries/2.conf", "linux /m/2/linux-22222222\n");
        want_kernel_1(w, "C");
        want_kernel(&w->wanted, "2", "C");
        w->in.available = 2 * 4096; /* of three */
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(strv_length(w->plan->drop), 1);
        assert_string_equal(w->plan->drop[0], linux_a);
        free(linux_a);
}

static void needed_room_is_counted_in_blocks_of_new_files(void **state) {
        char text[5000];
        World *w = *state;
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        want(&w->wanted, ROLE_REQUIRED, "/a", text);   /* two blocks */
        want(&w->wanted, ROLE_ENTRY, "/e.conf", text); /* two, twice: it gets its second name first */
        want(&w->wanted, ROLE_BOOTER, "/b", "x");      /* exists */
        want(&w->wanted, ROLE_MISC, "/m", "");         /* empty */
        world_name(w);
        w->views[1].standing = STANDING_OTHER;
        w->views[2].standing = STANDING_EQUAL;
        w->in.n_directories = 3;
        assert_int_equal(world_decide(w), 0);
        assert_int_equal(w->plan->needed, (2 + 2 * 2 + 3) * 4096);
        assert_int_equal(w->plan->bytes, 3 * (sizeof(text) - 1));
        w->in.available = w->plan->needed;
        assert_int_equal(world_decide(w), 0);
        assert_false(w->plan->without_misc);
        w->in.available--;
        assert_int_equal(world_decide(w), -ENOSPC);
        assert_string_equal(w->reason, "36.0 KiB needed, 36.0 KiB free");
}

/* Without anything else all steps are for misc files. */
static void a_set_of_only_misc_files_may_be_left_out(void **state) {
        World *w = *state;
        want(&w->wanted, ROLE_MISC, "/a", "x");
        want(&w->wanted, ROLE_MISC, "/b", "x");
        w->in.available = 4096;
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->n_steps, 0);
        assert_true(w->plan->without_misc && !helper_plan_is_empty(w->plan));
}

/* Files named after their content that are no longer needed, but neither those with a fixed name nor those of
 * others. */
static void what_is_carried_makes_room_only_where_no_entry_names_it(void **state) {
        World *w = *state;
        (void) carry(&w->record.carried, ROLE_REQUIRED, "/l", "/l-1", "1");
        (void) carry(&w->record.carried, ROLE_REQUIRED, "/i", "/i-1", "1");
        (void) carry(&w->record.carried, ROLE_REQUIRED, "/fixed", "/fixed", "1");
        (void) carry(&w->record.carried, ROLE_MISC, "/misc", "/misc", "1");
        carry(&w->record.carried, ROLE_REQUIRED, "/t", "/t-1", "1")->adopted = true;
        see(&w->entries, "/e.conf", "linux /l-1\n");
        w->entries.items[0].boot = copy(BOOT_NOW);
        want(&w->wanted, ROLE_REQUIRED, "/new", "x");
        w->in.force = true;
        w->in.available = 0;
        assert_int_equal(world_plan(w), 0);
        assert_list(w->plan->drop, "/i-1");
        see(&w->left, "/left.conf", "initrd /i-1\n");
        assert_int_equal(world_decide(w), -ENOSPC);
}

/* A new file of one block is wanted, and there is room for N blocks. */
static void want_block(World *w, size_t n) {
        want(&w->wanted, ROLE_REQUIRED, "/new", "x");
        w->in.available = n * 4096;
        w->in.force = true; /* no guards */
}

static void keep_sized(World *w, CopyRole role, const char *path, const char *boot) {
        keep(&w->record.kept, role, path, boot)->size = 1;
}

/* It counts as it did on the disk: in blocks. */
static void no_more_makes_room_than_is_needed(void **state) {
        World *w = *state;
        want_block(w, 0);
        want(&w->wanted, ROLE_MISC, "/misc", "x");
        world_leave(w, "/left-1", "x");
        world_leave(w, "/left-2", "x");
        keep_sized(w, ROLE_REQUIRED, "/kept", BOOT_NOW);
        w->in.running = true;
        assert_int_equal(world_plan(w), 0);
        assert_list(w->plan->drop, "/left-2", "/left-1");
        assert_int_equal(w->plan->n_steps, 2);
        assert_false(w->plan->without_misc);
        assert_true(is_kept(w, "/kept"));
        assert_null(w->plan->remove);
}

static void what_an_interrupted_build_kept_is_not_unused(void **state) {
        World *w = *state;
        want_block(w, 0);
        (void) carry(&w->record.carried, ROLE_REQUIRED, "/c", "/c-1", "x");
        keep_sized(w, ROLE_REQUIRED, "/c-1", BOOT_NOW);
        keep_sized(w, ROLE_REQUIRED, "/kept", BOOT_NOW);
        world_leave(w, "/left", "x");
        world_leave(w, "/kept", "x");
        w->in.running = true;
        assert_int_equal(world_plan(w), 0);
        assert_list(w->plan->drop, "/left");
        assert_true(is_kept(w, "/kept") && is_kept(w, "/c-1"));
}

/* Whatever their order in the record; each once, even if it is listed twice. */
static void kept_entries_make_room_before_what_they_name(void **state) {
        World *w = *state;
        want_block(w, 0);
        keep_sized(w, ROLE_REQUIRED, "/k1", BOOT_NOW);
        keep_sized(w, ROLE_ENTRY, "/k1.conf", BOOT_NOW);
        keep_sized(w, ROLE_REQUIRED, "/k2", BOOT_BEFORE);
        keep_sized(w, ROLE_ENTRY, "/k2.conf", BOOT_BEFORE);
        w->in.running = true;
        assert_int_equal(world_plan(w), 0);
        assert_list(w->plan->drop, "/k1.conf", "/k2.conf", "/k1", "/k2");
        assert_int_equal(w->plan->kept.n, 0);
        assert_null(w->plan->remove);
        world_leave(w, "/k2", "x");
        w->in.available = 1;
        w->wanted.items[0].size = 4097;
        assert_int_equal(world_decide(w), 0);
        assert_list(w->plan->drop, "/k2", "/k1.conf", "/k2.conf", "/k1");
}

/* The new one under its name is kept: what it names is carried. */
static void an_entry_kept_anew_stays_when_the_old_one_makes_room(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);
        keep_sized(w, ROLE_ENTRY, "/loader/entries/1-previous.conf", "a boot before that");
        w->in.running = true;
        want_kernel_1(w, "B");
        w->in.available = 4096;
        assert_int_equal(world_plan(w), 0);
        assert_list(w->plan->drop, "/loader/entries/1-previous.conf");
        assert_int_equal(w->plan->kept.n, 2);
        assert_true(is_kept(w, linux_a) && is_kept(w, "/loader/entries/1-previous.conf"));
        (void) step_of(w, "/loader/entries/1-previous.conf");
        free(linux_a);
}

/* What is needed is said for all of it, misc files included; what is free includes what can be removed. */
static void even_what_can_be_removed_may_not_be_enough(void **state) {
        World *w = *state;
        want_block(w, 0);
        want(&w->wanted, ROLE_REQUIRED, "/second", "x");
        want(&w->wanted, ROLE_MISC, "/misc", "x");
        world_leave(w, "/left", "x");
        assert_int_equal(world_plan(w), -ENOSPC);
        assert_string_equal(w->reason, "12.0 KiB needed, 4.0 KiB free");
}

static void what_is_left_out_is_not_counted(void **state) {
        World *w = *state;
        want_block(w, 1);
        want(&w->wanted, ROLE_MISC, "/misc", "12345");
        assert_int_equal(world_plan(w), 0);
        assert_true(w->plan->without_misc);
        assert_int_equal(w->plan->bytes, 1);
        assert_int_equal(w->plan->needed, 4096);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(too_little_room_is_reported_in_numbers),
                world_test(misc_files_are_left_out_before_anything_fails),
                world_test(the_kept_set_makes_room_first_and_its_entry_goes_first),
                world_test(what_nothing_needs_makes_room_before_the_kept_set),
                world_test(what_an_interrupted_build_switched_to_stays_and_what_it_switched_from_makes_room),
                world_test(needed_room_is_counted_in_blocks_of_new_files),
                world_test(a_set_of_only_misc_files_may_be_left_out),
                world_test(what_is_carried_makes_room_only_where_no_entry_names_it),
                world_test(no_more_makes_room_than_is_needed),
                world_test(what_an_interrupted_build_kept_is_not_unused),
                world_test(kept_entries_make_room_before_what_they_name),
                world_test(an_entry_kept_anew_stays_when_the_old_one_makes_room),
                world_test(even_what_can_be_removed_may_not_be_enough),
                world_test(what_is_left_out_is_not_counted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
