/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: helper/helperfiles.c helper/helperrecord.c */

#include "helperworld.h"

static int next_final(World *w, const bool *failed, HelperRecord *ret) {
        static const KeptSet nothing = {};
        char *unremoved[] = {(char *) "/unremoved", (char *) "/twice", (char *) "/other", (char *) "/twice",
                             NULL};
        char *made[] = {(char *) "/outer", (char *) "/outer/inner", (char *) "/outer", NULL};
        world_claim(w);
        const Outcome outcome = {
                .wanted = &w->wanted,
                .views = w->views,
                .old = &w->record,
                .claim = &w->claim,
                .kept = w->plan ? &w->plan->kept : &nothing,
                .failed = failed,
                .unremoved = unremoved,
                .made = made,
                .boot_id = BOOT_NOW,
        };
        return next_record_final(&outcome, ret);
}

static const CarriedFile *carried_to(const HelperRecord *record, const char *to) {
        for (size_t i = 0; i < record->carried.n; i++)
                if (streq(record->carried.items[i].to, to))
                        return &record->carried.items[i];
        fail_msg("%s is not carried", to);
        return NULL;
}

static void what_is_wanted_is_carried(void **state) {
        World *w = *state;
        HelperRecord next = HELPER_RECORD_NULL;
        want_kernel_1(w, "A");
        world_name(w);
        w->record.filesystem = copy("AB-CD");
        assert_int_equal(next_final(w, NULL, &next), 0);
        assert_false(next.intent);
        assert_string_equal(next.filesystem, "AB-CD");
        assert_int_equal(next.carried.n, 3);
        for (size_t i = 0; i < 3; i++) {
                const WantedFile *f = &w->wanted.items[i];
                const CarriedFile *c = &next.carried.items[i];
                assert_int_equal(c->role, f->role);
                assert_string_equal(c->path, f->path);
                assert_string_equal(c->to, f->to);
                assert_string_equal(c->source, f->source);
                assert_string_equal(c->description, f->description);
                assert_int_equal(c->size, f->size);
                assert_true(fingerprint_equal(&c->content, &f->content));
                assert_string_equal(c->boot, BOOT_NOW);
                assert_false(c->adopted);
        }
        assert_list(next.ours, "/unremoved", "/other", "/twice");
        assert_list(next.made, "/outer", "/outer/inner");
        helper_record_done(&next);
}

/* The boot belongs to the content, not to the name. */
static void content_from_an_earlier_boot_keeps_that_boot(void **state) {
        World *w = *state;
        HelperRecord next = HELPER_RECORD_NULL;
        (void) carry(&w->record.carried, ROLE_BOOTER, "/Same", "/Same", "x");
        (void) carry(&w->record.carried, ROLE_BOOTER, "/other", "/other", "before");
        want(&w->wanted, ROLE_BOOTER, "/same", "x");
        want(&w->wanted, ROLE_BOOTER, "/other", "now");
        want(&w->wanted, ROLE_BOOTER, "/new", "x");
        world_name(w);
        assert_int_equal(next_final(w, NULL, &next), 0);
        assert_string_equal(carried_to(&next, "/same")->boot, BOOT_BEFORE);
        assert_string_equal(carried_to(&next, "/other")->boot, BOOT_NOW);
        assert_string_equal(carried_to(&next, "/new")->boot, BOOT_NOW);
        helper_record_done(&next);
}

static void what_somebody_else_wrote_is_adopted_until_it_is_replaced(void **state) {
        typedef enum Was { NOT_CARRIED, OURS, ADOPTED } Was;
        static const struct {
                Standing standing;
                Was was;
                bool adopted;
        } cases[] = {
                {STANDING_ABSENT, NOT_CARRIED, false}, {STANDING_EQUAL, NOT_CARRIED, true},
                {STANDING_SAME, ADOPTED, true},        {STANDING_EQUAL, ADOPTED, true},
                {STANDING_OTHER, ADOPTED, false},      {STANDING_ABSENT, ADOPTED, false},
                {STANDING_OTHER, NOT_CARRIED, false},  {STANDING_SAME, OURS, false},
                {STANDING_EQUAL, OURS, false},         {STANDING_OTHER, OURS, false},
                {STANDING_ABSENT, OURS, false},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                World *w = NULL;
                HelperRecord next = HELPER_RECORD_NULL;
                assert_int_equal(world_setup((void **) &w), 0);
                if (cases[i].was != NOT_CARRIED)
                        carry(&w->record.carried, ROLE_BOOTER, "/x", "/x", "x")->adopted =
                                cases[i].was == ADOPTED;
                want(&w->wanted, ROLE_BOOTER, "/x", "x");
                world_name(w);
                w->views[0].standing = cases[i].standing;
                assert_int_equal(next_final(w, NULL, &next), 0);
                if (next.carried.items[0].adopted != cases[i].adopted)
                        fail_msg("case %zu", i);
                helper_record_done(&next);
                assert_int_equal(world_teardown((void **) &w), 0);
        }
}

static void of_failed_files_only_those_that_may_be_ours_are_recorded(void **state) {
        static const bool failed[] = {true, true, true, false, true};
        World *w = *state;
        HelperRecord next = HELPER_RECORD_NULL;
        (void) carry(&w->record.carried, ROLE_MISC, "/ours", "/ours", "before");
        carry(&w->record.carried, ROLE_MISC, "/theirs", "/theirs", "before")->adopted = true;
        want(&w->wanted, ROLE_MISC, "/ours", "now");
        want(&w->wanted, ROLE_MISC, "/theirs", "now");
        want(&w->wanted, ROLE_MISC, "/absent", "now");
        want(&w->wanted, ROLE_MISC, "/fine", "now");
        want(&w->wanted, ROLE_MISC, "/strange", "now");
        world_name(w);
        for (size_t i = 0; i < w->wanted.n; i++)
                w->views[i].standing = STANDING_OTHER;
        w->views[2].standing = STANDING_ABSENT;
        assert_int_equal(next_final(w, failed, &next), 0);
        assert_int_equal(next.carried.n, 1);
        assert_string_equal(next.carried.items[0].to, "/fine");
        assert_list(next.ours, "/ours", "/absent", "/unremoved", "/other", "/twice");
        helper_record_done(&next);
}

static void kept_files_are_recorded(void **state) {
        World *w = *state;
        HelperRecord next = HELPER_RECORD_NULL;
        free(start_with_kernel(w, BOOT_BEFORE));
        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(world_plan(w), 0);
        assert_int_equal(w->plan->kept.n, 2);
        assert_int_equal(next_final(w, NULL, &next), 0);
        assert_int_equal(next.kept.n, 2);
        for (size_t i = 0; i < 2; i++) {
                const KeptFile *planned = &w->plan->kept.items[i], *kept = &next.kept.items[i];
                assert_int_equal(kept->role, planned->role);
                assert_string_equal(kept->path, planned->path);
                assert_string_equal(kept->boot, BOOT_NOW);
                assert_int_equal(kept->size, planned->size);
                assert_true(fingerprint_equal(&kept->content, &planned->content));
                assert_null(kept->text);
        }
        helper_record_done(&next);
}

/* Removed from the end: entries before what they name. */
static void an_intent_lists_old_and_new_files_as_ours(void **state) {
        char *directories[] = {(char *) "/d", (char *) "/d/new", NULL}, expected[64];
        World *w = *state;
        HelperRecord intent = HELPER_RECORD_NULL;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);
        w->record.filesystem = copy("AB-CD");
        w->record.carried.items[2].adopted = true;
        (void) keep(&w->record.kept, ROLE_ENTRY, "/old-previous.conf", "another boot");
        (void) keep(&w->record.kept, ROLE_REQUIRED, "/old-linux", "another boot");
        assert_int_equal(strv_extend(&w->record.ours, "/older"), 0);
        assert_int_equal(strv_extend(&w->record.ours, "/left"), 0);
        assert_int_equal(strv_extend(&w->record.made, "/d"), 0);
        w->in.running = true;
        want_kernel_1(w, "B");
        want(&w->wanted, ROLE_MISC, "/theirs", "now");
        want(&w->wanted, ROLE_MISC, "/left", "now");
        world_name(w);
        world_look(w);
        w->views[3].standing = w->views[4].standing = STANDING_OTHER;
        w->views[1].sector = false; /* it gets its second name first */
        assert_int_equal(world_decide(w), 0);
        assert_int_equal(next_record_intent(&w->record, w->plan, directories, &intent), 0);
        assert_true(intent.intent);
        assert_string_equal(intent.filesystem, "AB-CD");
        assert_int_equal(intent.carried.n, 3);
        assert_string_equal(intent.carried.items[0].path, linux_a);
        assert_string_equal(intent.carried.items[0].boot, BOOT_BEFORE);
        assert_true(intent.carried.items[2].adopted && !intent.carried.items[0].adopted);
        assert_int_equal(intent.kept.n, 2);
        const HelperStep *entry = &w->plan->steps[step_of(w, "/loader/entries/1.conf")];
        assert_int_equal(entry->kind, STEP_BESIDE);
        (void) snprintf(expected, sizeof(expected), "%s", path_of(w, "/m/1/linux"));
        assert_list(intent.ours, "/old-linux", "/old-previous.conf", "/older", expected,
                    "/loader/entries/1-previous.conf", "/loader/entries/1.conf", entry->beside, "/left");
        assert_list(intent.made, "/d", "/d/new");
        helper_record_done(&intent);
        free(linux_a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(what_is_wanted_is_carried),
                world_test(content_from_an_earlier_boot_keeps_that_boot),
                cmocka_unit_test(what_somebody_else_wrote_is_adopted_until_it_is_replaced),
                world_test(of_failed_files_only_those_that_may_be_ours_are_recorded),
                world_test(kept_files_are_recorded),
                world_test(an_intent_lists_old_and_new_files_as_ours),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
