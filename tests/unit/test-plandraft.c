/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

#include "builder/transaction/plandraft.h"

static void names_are_known_without_looking_at_case(void **state) {
        World *w = *state;
        HelperPlan plan = {};
        PlanDraft d = {};
        want(&w->wanted, ROLE_MISC, "/wanted", "x");
        world_name(w);
        assert_int_equal(plandraft_init(&d, &w->in, &plan), 0);
        assert_ptr_equal(d.in, &w->in);
        assert_ptr_equal(d.plan, &plan);
        (void) keep(&plan.kept, ROLE_MISC, "/kept", BOOT_NOW);
        assert_int_equal(kept_set_map(&plan.kept, &d.kept), 0);
        assert_int_equal(plandraft_drop(&d, "/dropped"), 0);
        assert_true(plandraft_wants(&d, "/WANTED") && plandraft_keeps(&d, "/KEPT") &&
                    plandraft_drops(&d, "/DROPPED"));
        assert_false(plandraft_wants(&d, "/kept") || plandraft_wants(&d, "/dropped"));
        assert_false(plandraft_keeps(&d, "/wanted") || plandraft_keeps(&d, "/dropped"));
        assert_false(plandraft_drops(&d, "/wanted") || plandraft_drops(&d, "/kept"));
        plandraft_done(&d);
        kept_set_done(&plan.kept);
}

/* In that order, whoever owns the names. */
static void what_is_dropped_is_listed(void **state) {
        World *w = *state;
        HelperPlan plan = {};
        PlanDraft d = {};
        char name[] = "/1";
        assert_int_equal(plandraft_init(&d, &w->in, &plan), 0);
        for (; name[1] < '9'; name[1]++)
                assert_int_equal(plandraft_drop(&d, name), 0);
        assert_int_equal(d.drop.n, 8);
        for (size_t i = 0; i < d.drop.n; i++) {
                name[1] = (char) ('1' + i);
                assert_string_equal(d.drop.items[i], name);
                assert_true(plandraft_drops(&d, name));
        }
        plandraft_done(&d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(names_are_known_without_looking_at_case),
                world_test(what_is_dropped_is_listed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
