/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

static void an_entry_that_is_not_a_single_sector_is_first_put_next_to_the_old_one(void **state) {
        World *w = *state;
        char text[700];

        memset(text, '#', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        want(&w->wanted, ROLE_ENTRY, "/e.conf", text);
        world_name(w);
        w->views[0] = (HelperView){.standing = STANDING_OTHER};
        assert_int_equal(world_decide(w), 0);
        assert_int_equal(w->plan->steps[0].kind, STEP_BESIDE);
        assert_int_equal(strlen(w->plan->steps[0].beside), strlen("/e-01234567.conf"));
        assert_int_equal(w->plan->needed, 2 * 4096);
}

static void files_not_written_by_bootkeep_are_marked(void **state) {
        World *w = *state;
        want(&w->wanted, ROLE_BOOTER, "/boot.efi", "b");
        want(&w->wanted, ROLE_BOOTER, "/ours.efi", "b");
        assert_int_equal(strv_extend(&w->record.ours, "/OURS.efi"), 0);
        world_name(w);
        w->views[0] = w->views[1] = (HelperView){.standing = STANDING_OTHER};
        assert_int_equal(world_decide(w), 0);
        assert_true(w->plan->steps[0].foreign);
        assert_false(w->plan->steps[1].foreign);
}

static void an_equal_file_is_adopted(void **state) {
        World *w = *state;
        want(&w->wanted, ROLE_BOOTER, "/boot.efi", "b");
        world_name(w);
        w->views[0] = (HelperView){.standing = STANDING_EQUAL};
        assert_int_equal(world_decide(w), 0);
        assert_int_equal(w->plan->steps[0].kind, STEP_ADOPT);
        assert_int_equal(w->plan->needed, 0);
}

static void each_comes_by_its_kind_in_the_order_of_roles(void **state) {
        static const struct {
                CopyRole role;
                const char *to;
                HelperView view;
                int kind; /* -1: no step */
                bool foreign;
        } cases[] = {
                {ROLE_REQUIRED, "/r1", {STANDING_ABSENT}, STEP_RENAME, false},
                {ROLE_REQUIRED, "/r2", {STANDING_SAME}, -1, false},
                {ROLE_REQUIRED, "/r3", {STANDING_OTHER}, STEP_RENAME, true},
                {ROLE_ENTRY, "/e1", {STANDING_ABSENT}, STEP_RENAME, false},
                {ROLE_ENTRY, "/e2", {STANDING_EQUAL, .sector = true}, STEP_ADOPT, false},
                {ROLE_ENTRY, "/e3", {STANDING_OTHER, .sector = true}, STEP_OVERWRITE, true},
                {ROLE_ENTRY, "/e4", {STANDING_OTHER}, STEP_BESIDE, true},
                {ROLE_ENTRY, "/e5", {STANDING_SAME, .sector = true}, -1, false},
                {ROLE_BOOTER, "/b1", {STANDING_OTHER, .sector = true}, STEP_RENAME, true},
                {ROLE_BOOTER, "/b2", {STANDING_EQUAL}, STEP_ADOPT, false},
                {ROLE_MISC, "/m1", {STANDING_ABSENT}, STEP_RENAME, false},
                {ROLE_MISC, "/m2", {STANDING_OTHER}, STEP_RENAME, true},
        };
        World *w = *state;
        size_t n = 0;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) /* backwards: the roles determine the order */
                want(&w->wanted, cases[ELEMENTSOF(cases) - 1 - i].role, cases[ELEMENTSOF(cases) - 1 - i].to,
                     "x");
        world_name(w);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                w->views[i] = cases[ELEMENTSOF(cases) - 1 - i].view;
        assert_int_equal(world_decide(w), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                if (cases[i].kind < 0)
                        continue;
                const HelperStep *s = &w->plan->steps[step_of(w, cases[i].to)];
                n++;
                assert_int_equal(s->kind, cases[i].kind);
                assert_int_equal(s->foreign, cases[i].foreign);
                assert_int_equal(s->role, cases[i].role);
                assert_ptr_equal(s->wanted, wanted_to(&w->wanted, cases[i].to));
                assert_string_equal(s->source, cases[i].to);
                assert_true(!s->text == (s->role != ROLE_ENTRY));
                assert_int_equal(s->size, s->wanted->size);
                assert_true(fingerprint_equal(&s->content, &s->wanted->content));
        }
        assert_int_equal(w->plan->n_steps, n);
        for (size_t i = 1; i < n; i++)
                assert_true(w->plan->steps[i - 1].role <= w->plan->steps[i].role);
}

static void a_long_entry_is_never_overwritten_in_place(void **state) {
        World *w = *state;
        char text[ENTRY_SECTOR + 2], hex[FINGERPRINT_HEX_MAX], beside[32];
        memset(text, '#', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        want(&w->wanted, ROLE_ENTRY, "/e.conf", text);
        world_name(w);
        w->views[0] = (HelperView){.standing = STANDING_OTHER, .sector = true};
        assert_int_equal(world_decide(w), 0);
        assert_int_equal(w->plan->steps[0].kind, STEP_BESIDE);
        (void) snprintf(beside, sizeof(beside), "/e-%.8s.conf",
                        fingerprint_to_hex(&w->wanted.items[0].content, hex));
        assert_string_equal(w->plan->steps[0].beside, beside);
}

/* All kept entries come between the required files and the new entries. */
static void kept_entries_come_before_the_new_ones(void **state) {
        World *w = *state;
        want_kernel(&w->wanted, "1", "A");
        want_kernel(&w->wanted, "2", "A");
        assert_int_equal(world_plan(w), 0);
        world_carry_out(w, BOOT_BEFORE);
        w->in.running = true;
        want_kernel(&w->wanted, "1", "B");
        want_kernel(&w->wanted, "2", "B");
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->n_steps, 6);
        assert_int_equal(w->plan->steps[1].role, ROLE_REQUIRED);
        for (size_t i = 2; i < 4; i++) {
                const HelperStep *s = &w->plan->steps[i];
                assert_null(s->wanted);
                const KeptFile *kept = &w->plan->kept.items[i == 2 ? 0 : 2];
                assert_string_equal(s->path, kept->path);
                assert_ptr_equal(s->text, kept->text);
                assert_true(fingerprint_equal(&s->content, &kept->content));
                assert_int_equal(s->role, ROLE_ENTRY);
                assert_null(s->source);
                assert_false(s->foreign);
                assert_int_equal(s->kind, STEP_RENAME);
                assert_int_equal(s->size, ENTRY_SECTOR);
                assert_non_null(strstr(s->path, "-previous.conf"));
        }
        assert_int_equal(w->plan->steps[4].role, ROLE_ENTRY);
        assert_non_null(w->plan->steps[4].wanted);
}

/* What was there is gone by then, and was ours: there is nothing to be put next to, nor to replace. */
static void what_was_in_the_way_of_a_file_makes_no_difference_to_it(void **state) {
        World *w = *state;
        want(&w->wanted, ROLE_ENTRY, "/e.conf", "new");
        want(&w->wanted, ROLE_BOOTER, "/b", "new");
        world_name(w);
        (void) carry(&w->record.carried, ROLE_MISC, "/e.conf/x", "/e.conf/x", "old");
        (void) carry(&w->record.carried, ROLE_MISC, "/b/x", "/b/x", "old");
        w->views[0] = w->views[1] = (HelperView){.standing = STANDING_OTHER, .blocked = true};
        w->in.force = true;
        assert_int_equal(world_decide(w), 0);
        assert_int_equal(w->plan->n_steps, 2);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(w->plan->steps[i].kind, STEP_RENAME);
                assert_false(w->plan->steps[i].foreign);
                assert_null(w->plan->steps[i].beside);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(an_entry_that_is_not_a_single_sector_is_first_put_next_to_the_old_one),
                world_test(files_not_written_by_bootkeep_are_marked),
                world_test(an_equal_file_is_adopted),
                world_test(each_comes_by_its_kind_in_the_order_of_roles),
                world_test(a_long_entry_is_never_overwritten_in_place),
                world_test(kept_entries_come_before_the_new_ones),
                world_test(what_was_in_the_way_of_a_file_makes_no_difference_to_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
