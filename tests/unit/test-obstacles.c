/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: builder/transaction/plandraft.c helper/helperfiles.c builder/transaction/decision.c */

#include "helperworld.h"

/* TO is wanted, and PATH, according to the record, is in its way. */
static void block(World *w, CopyRole wanted, const char *to, CopyRole carried, const char *path) {
        want(&w->wanted, wanted, to, "new");
        world_name(w);
        (void) carry(&w->record.carried, carried, path, path, "old");
        w->views[w->wanted.n - 1] = (HelperView){.standing = STANDING_OTHER, .blocked = true};
        w->in.force = true; /* no guards */
}

static void a_misc_file_in_the_way_goes_first(void **state) {
        static const char *const pairs[][2] = {{"/a", "/A/b/c"}, {"/a/b/c", "/A"}, {"/a/b", "/A"}};
        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                World *w = NULL;
                assert_int_equal(world_setup((void **) &w), 0);
                block(w, ROLE_REQUIRED, pairs[i][0], ROLE_MISC, pairs[i][1]);
                (void) carry(&w->record.carried, ROLE_MISC, "/ax", "/ax", "beside");
                w->in.force = false;
                /* half of it is kept, so that no guard refuses */
                want(&w->wanted, ROLE_MISC, "/ax", "beside");
                free(w->wanted.items[1].path);
                w->wanted.items[1].path = copy("/ax");
                w->views[1].standing = STANDING_SAME;
                assert_int_equal(world_decide(w), 0);
                assert_list(w->plan->drop, pairs[i][1]);
                assert_null(w->plan->remove);
                assert_int_equal(w->plan->n_steps, 1);
                assert_false(w->plan->steps[0].foreign);
                assert_int_equal(w->plan->steps[0].kind, STEP_RENAME);
                assert_int_equal(world_teardown((void **) &w), 0);
        }
}

static void removing_files_that_boot_now_requires_force(void **state) {
        World *w = *state;
        block(w, ROLE_BOOTER, "/a", ROLE_BOOTER, "/a/b");
        w->in.force = false;
        assert_int_equal(world_decide(w), -EPERM);
        assert_string_equal(w->reason, "/a/b is in the way of /a and would have to be removed first (use "
                                       "--force if this is intended)");
        w->in.force = true;
        assert_int_equal(world_decide(w), 0);
        assert_list(w->plan->drop, "/a/b");
}

static void files_of_others_stay_even_with_force(void **state) {
        World *w = *state;
        block(w, ROLE_BOOTER, "/a", ROLE_MISC, "/a/b");
        w->record.carried.items[0].adopted = true;
        assert_int_equal(world_decide(w), -EEXIST);
        assert_string_equal(w->reason,
                            "/a cannot be written: there is a directory in its place, or a file in "
                            "its path, that bootkeep did not write");
        w->record.carried.items[0].adopted = false;
        assert_int_equal(world_decide(w), 0);
}

static void unknown_files_belong_to_others(void **state) {
        World *w = *state;
        block(w, ROLE_BOOTER, "/a/b", ROLE_MISC, "/b");
        want(&w->wanted, ROLE_MISC, "/c", "new");
        w->wanted.items[1].path = copy("/c");
        w->views[1] = w->views[0];
        assert_int_equal(world_decide(w), -EEXIST);
        assert_contains(w->reason, "/a/b cannot be written");
        w->views[0] = (HelperView){};
        assert_int_equal(world_decide(w), 0); /* the misc file is reported when it is written */
        assert_null(w->plan->drop);
}

static void a_misc_file_gives_way_to_files_of_others(void **state) {
        World *w = *state;
        block(w, ROLE_MISC, "/a", ROLE_MISC, "/a/b");
        w->record.carried.items[0].adopted = true;
        assert_int_equal(world_decide(w), 0);
        assert_null(w->plan->drop);
}

static void leftovers_in_the_way_go_first(void **state) {
        static const char *const left[] = {"/a/b/c", "/A"};
        for (size_t i = 0; i < ELEMENTSOF(left); i++) {
                World *w = NULL;
                assert_int_equal(world_setup((void **) &w), 0);
                block(w, ROLE_BOOTER, "/a/b", ROLE_MISC, "/else");
                world_leave(w, "/elsewhere", NULL);
                world_leave(w, left[i], NULL);
                w->in.force = false;
                assert_int_equal(world_decide(w), 0);
                assert_list(w->plan->drop, left[i]);
                /* unless it was switched to */
                see(&w->entries, "/e.conf", i == 0 ? "linux /a/b/c\n" : "linux /A\n");
                w->entries.items[0].boot = copy(BOOT_NOW);
                assert_int_equal(world_decide(w), -EPERM);
                seen_set_done(&w->entries);
                world_leave(w, "/left.conf", i == 0 ? "linux /a/b/c\n" : "linux /A\n");
                assert_int_equal(world_decide(w), -EPERM);
                assert_int_equal(world_teardown((void **) &w), 0);
        }
}

static void each_leftover_below_goes_the_first_and_the_last(void **state) {
        World *w = *state;
        block(w, ROLE_BOOTER, "/a", ROLE_MISC, "/else");
        world_leave(w, "/a/first", NULL);
        world_leave(w, "/beside", NULL);
        world_leave(w, "/a/last", NULL);
        w->in.force = false;
        assert_int_equal(world_decide(w), 0);
        assert_list(w->plan->drop, "/a/first", "/a/last");
}

static void files_that_are_not_in_the_way_stay(void **state) {
        World *w = *state;
        block(w, ROLE_BOOTER, "/a/b", ROLE_MISC, "/a/b/c");
        (void) carry(&w->record.carried, ROLE_MISC, "/x/y", "/x/y", "old");
        want(&w->wanted, ROLE_BOOTER, "/x", "new");
        w->wanted.items[1].path = copy("/x");
        w->views[1] = (HelperView){.standing = STANDING_OTHER}; /* it already is a file */
        assert_int_equal(world_decide(w), 0);
        assert_list(w->plan->drop, "/a/b/c");
}

/* A file that is in the way of two is removed once. */
static void each_file_is_dropped_once(void **state) {
        World *w = *state;
        block(w, ROLE_BOOTER, "/a/b", ROLE_MISC, "/a");
        want(&w->wanted, ROLE_BOOTER, "/a/c", "new");
        w->wanted.items[1].path = copy("/a/c");
        w->views[1] = w->views[0];
        world_leave(w, "/a", NULL);
        assert_int_equal(world_decide(w), 0);
        assert_list(w->plan->drop, "/a");
}

/* The reverse of it: the booter is where a folder has to be. */
static void what_boots_now_is_for_a_person_to_remove_from_a_path_too(void **state) {
        World *w = *state;
        block(w, ROLE_BOOTER, "/a/b", ROLE_BOOTER, "/a");
        w->in.force = false;
        assert_int_equal(world_decide(w), -EPERM);
        assert_string_equal(w->reason, "/a is in the way of /a/b and would have to be removed first (use "
                                       "--force if this is intended)");
        assert_null(w->plan);
        w->in.force = true;
        assert_int_equal(world_decide(w), 0);
        assert_list(w->plan->drop, "/a");
}

/* That the way was cleared for one file helps no other. */
static void each_blocked_file_needs_its_own_way(void **state) {
        World *w = *state;
        block(w, ROLE_BOOTER, "/a/b", ROLE_MISC, "/a");
        want(&w->wanted, ROLE_REQUIRED, "/x/y", "new");
        w->wanted.items[1].path = copy("/x/y");
        w->views[1] = w->views[0];
        assert_int_equal(world_decide(w), -EEXIST);
        assert_begins(w->reason, "/x/y cannot be written");
        (void) carry(&w->record.carried, ROLE_MISC, "/x", "/x", "old");
        assert_int_equal(world_decide(w), 0);
        assert_list(w->plan->drop, "/a", "/x");
}

/* A directory where a file is wanted holds one of ours and one that is not. */
static void a_strangers_file_among_ours_is_refused_before_anything_is_removed(void **state) {
        static const char *const names[][2] = {{"/a/ours", "/a/theirs"}, {"/a/theirs", "/a/ours"}};
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                World *w = NULL;
                assert_int_equal(world_setup((void **) &w), 0);
                block(w, ROLE_BOOTER, "/a", ROLE_MISC, names[i][0]);
                (void) carry(&w->record.carried, ROLE_MISC, names[i][1], names[i][1], "old");
                w->record.carried.items[1 - i].adopted = true;
                assert_int_equal(world_decide(w), -EEXIST);
                assert_begins(w->reason, "/a cannot be written");
                assert_int_equal(world_teardown((void **) &w), 0);
        }
}

static void the_longest_path_is_looked_at_whole(void **state) {
        char path[4096] = "";
        World *w = *state;
        for (size_t i = 0; i < sizeof(path) - 1; i++)
                path[i] = i % 2 == 0 ? '/' : 'd';
        path[sizeof(path) - 2] = 'x';
        assert_int_equal(strlen(path), 4095);
        block(w, ROLE_BOOTER, path, ROLE_MISC, "/d/d");
        assert_int_equal(world_decide(w), 0);
        assert_list(w->plan->drop, "/d/d");
}

/* A file of others that is in the way of a misc file and of a booter is refused only because of the booter.
 */
static void a_strangers_file_in_a_path_is_refused_for_what_must_be_written(void **state) {
        World *w = *state;
        block(w, ROLE_MISC, "/a/misc", ROLE_MISC, "/a");
        w->record.carried.items[0].adopted = true;
        assert_int_equal(world_decide(w), 0);
        assert_null(w->plan->drop);
        want(&w->wanted, ROLE_BOOTER, "/a/boot", "new");
        w->wanted.items[1].path = copy("/a/boot");
        w->views[1] = w->views[0];
        assert_int_equal(world_decide(w), -EEXIST);
        assert_begins(w->reason, "/a/boot cannot be written");
}

static void nothing_wanted_needs_no_way(void **state) {
        World *w = *state;
        (void) carry(&w->record.carried, ROLE_MISC, "/a", "/a", "old");
        w->in.force = true;
        assert_int_equal(world_decide(w), 0);
        assert_null(w->plan->drop);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_misc_file_in_the_way_goes_first),
                world_test(removing_files_that_boot_now_requires_force),
                world_test(files_of_others_stay_even_with_force),
                world_test(unknown_files_belong_to_others),
                world_test(a_misc_file_gives_way_to_files_of_others),
                cmocka_unit_test(leftovers_in_the_way_go_first),
                world_test(each_leftover_below_goes_the_first_and_the_last),
                world_test(files_that_are_not_in_the_way_stay),
                world_test(each_file_is_dropped_once),
                world_test(what_boots_now_is_for_a_person_to_remove_from_a_path_too),
                world_test(each_blocked_file_needs_its_own_way),
                world_test(a_strangers_file_in_a_path_is_refused_for_what_must_be_written),
                cmocka_unit_test(a_strangers_file_among_ours_is_refused_before_anything_is_removed),
                world_test(the_longest_path_is_looked_at_whole),
                world_test(nothing_wanted_needs_no_way),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
