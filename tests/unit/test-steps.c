/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

static void an_entry_that_is_no_single_sector_stands_beside_first(void **state) {
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

static void what_bootkeep_did_not_write_is_marked(void **state) {
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

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(an_entry_that_is_no_single_sector_stands_beside_first),
                world_test(what_bootkeep_did_not_write_is_marked),
                world_test(an_equal_file_is_adopted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
