/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/world/mounttree.h"

typedef struct Mount {
        uint64_t id, parent;
        const char *target;
} Mount;

static MountTree *tree_of(const Mount *mounts, size_t n) {
        MountTree *t = NULL;
        assert_int_equal(mount_tree_new(&t), 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(mount_tree_add(t, mounts[i].id, mounts[i].parent, mounts[i].target), 0);
        return t;
}

static void mounts_next_to_and_below_each_other_are_reached(void **state) {
        static const Mount mounts[] = {{20, 1, "/"},
                                       {30, 20, "/mnt/a"},
                                       {31, 20, "/mnt/ab"},
                                       {32, 30, "/mnt/a/x"},
                                       {33, 20, "/mnt/c d"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        for (size_t i = 0; i < ELEMENTSOF(mounts); i++)
                assert_true(mount_tree_reaches(t, mounts[i].id));
        assert_false(mount_tree_reaches(t, 99));
}

static void a_mount_on_its_root_covers_it(void **state) {
        static const Mount mounts[] = {{20, 1, "/"}, {30, 20, "/mnt/a"}, {31, 30, "/mnt/a"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        assert_false(mount_tree_reaches(t, 30));
        assert_true(mount_tree_reaches(t, 31));
}

static void a_mount_in_the_path_covers_what_is_below_it(void **state) {
        static const Mount mounts[] = {{20, 1, "/"},
                                       {30, 20, "/mnt/a/b"},
                                       {31, 30, "/mnt/a/b/c"},
                                       {40, 20, "/mnt/a"},
                                       {41, 40, "/mnt/a/b"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        assert_false(mount_tree_reaches(t, 30));
        assert_false(mount_tree_reaches(t, 31));
        assert_true(mount_tree_reaches(t, 40));
        assert_true(mount_tree_reaches(t, 41));
}

static void a_mount_on_the_root_covers_all_that_was_mounted_before(void **state) {
        static const Mount mounts[] = {{20, 1, "/"}, {30, 20, "/mnt"}, {40, 20, "/"}, {41, 40, "/mnt"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        assert_false(mount_tree_reaches(t, 20));
        assert_false(mount_tree_reaches(t, 30));
        assert_true(mount_tree_reaches(t, 41));
}

static void what_is_removed_covers_no_longer(void **state) {
        static const Mount mounts[] = {{20, 1, "/"}, {30, 20, "/mnt/a"}, {40, 20, "/mnt"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        assert_false(mount_tree_reaches(t, 30));
        mount_tree_remove(t, 40);
        mount_tree_remove(t, 40);
        assert_false(mount_tree_reaches(t, 40));
        assert_true(mount_tree_reaches(t, 30));
        assert_int_equal(mount_tree_add(t, 40, 20, "/mnt"), 0);
        assert_false(mount_tree_reaches(t, 30));
}

static void orphaned_mounts_are_counted(void **state) {
        /* in no order: a moved mount may be older than its parent */
        static const Mount mounts[] = {{32, 31, "/a/b/c"}, {31, 30, "/a/b"}, {20, 1, "/"}, {30, 20, "/a"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        assert_int_equal(mount_tree_orphans(t), 1);
        mount_tree_remove(t, 31);
        assert_int_equal(mount_tree_orphans(t), 2);
        mount_tree_remove(t, 30);
        assert_int_equal(mount_tree_orphans(t), 2);
        assert_int_equal(mount_tree_add(t, 31, 20, "/a/b"), 0);
        assert_int_equal(mount_tree_orphans(t), 1);
        mount_tree_remove(t, 32);
        mount_tree_remove(t, 31);
        assert_int_equal(mount_tree_orphans(t), 1);
        mount_tree_remove(t, 20);
        assert_int_equal(mount_tree_orphans(t), 0);
}

/* However many wait for how many parents: each parent that comes takes its own. */
static void parent_that_comes_takes_its_children_alone(void **state) {
        static const Mount mounts[] = {{32, 31, "/a/b/c"}, {33, 31, "/a/b/d"}, {42, 41, "/x/a"},
                                       {43, 41, "/x/b"},   {44, 41, "/x/c"},   {20, 1, "/"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        assert_int_equal(mount_tree_orphans(t), 6);
        assert_int_equal(mount_tree_add(t, 31, 30, "/a/b"), 0); /* and is one itself */
        assert_int_equal(mount_tree_orphans(t), 5);
        assert_int_equal(mount_tree_add(t, 41, 20, "/x"), 0);
        assert_int_equal(mount_tree_orphans(t), 2);
        mount_tree_remove(t, 31);
        assert_int_equal(mount_tree_orphans(t), 3);
        mount_tree_remove(t, 41);
        assert_int_equal(mount_tree_orphans(t), 6);
}

static void contradictions_are_reported(void **state) {
        static const Mount mounts[] = {{20, 1, "/"}, {30, 20, "/a"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        assert_int_equal(mount_tree_add(t, 30, 20, "/a"), 0); /* reported twice */
        assert_int_equal(mount_tree_add(t, 30, 20, "/b"), 1); /* somewhere else */
        assert_int_equal(mount_tree_add(t, 31, 20, "/a"), 1); /* two in one place */
        assert_true(mount_tree_reaches(t, 31));
}

static int count_until(const MountPlace *place, void *userdata) {
        unsigned *left = userdata;
        assert_true(place->id == 20 || place->id == 30 || place->id == 31);
        assert_string_equal(place->target, place->id == 20 ? "/" : place->id == 30 ? "/a" : "/a:b");
        assert_int_equal(place->parent, place->id == 20 ? 1 : place->id == 30 ? 20 : 30);
        return --*left == 0 ? 7 : 0;
}

static void each_is_visited_until_one_is_enough(void **state) {
        static const Mount mounts[] = {{20, 1, "/"}, {30, 20, "/a"}, {31, 30, "/a:b"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        unsigned left = 10;
        assert_int_equal(mount_tree_visit(t, count_until, &left), 0);
        assert_int_equal(left, 7);
        left = 2;
        assert_int_equal(mount_tree_visit(t, count_until, &left), 7);
        assert_int_equal(left, 0);
        mount_tree_remove(t, 31);
        left = 10;
        assert_int_equal(mount_tree_visit(t, count_until, &left), 0);
        assert_int_equal(left, 8);
}

static void the_first_in_a_place_stays_when_the_second_goes(void **state) {
        static const Mount mounts[] = {{20, 1, "/"}, {30, 20, "/a"}, {40, 20, "/a/b"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        assert_false(mount_tree_reaches(t, 40));
        assert_int_equal(mount_tree_add(t, 31, 20, "/a"), 1);
        mount_tree_remove(t, 31);
        assert_false(mount_tree_reaches(t, 40));
        mount_tree_remove(t, 30);
        assert_true(mount_tree_reaches(t, 40));
}

static void a_cycle_ends(void **state) {
        static const Mount mounts[] = {{20, 30, "/a"}, {30, 20, "/b"}};
        _cleanup_(mount_tree_freep) MountTree *t = tree_of(mounts, ELEMENTSOF(mounts));
        (void) mount_tree_reaches(t, 20);
        assert_false(mount_tree_reaches(t, 21));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(mounts_next_to_and_below_each_other_are_reached),
                cmocka_unit_test(a_mount_on_its_root_covers_it),
                cmocka_unit_test(a_mount_in_the_path_covers_what_is_below_it),
                cmocka_unit_test(a_mount_on_the_root_covers_all_that_was_mounted_before),
                cmocka_unit_test(what_is_removed_covers_no_longer),
                cmocka_unit_test(orphaned_mounts_are_counted),
                cmocka_unit_test(parent_that_comes_takes_its_children_alone),
                cmocka_unit_test(contradictions_are_reported),
                cmocka_unit_test(each_is_visited_until_one_is_enough),
                cmocka_unit_test(the_first_in_a_place_stays_when_the_second_goes),
                cmocka_unit_test(a_cycle_ends),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
