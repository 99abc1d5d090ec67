/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/rebootmark.h"

#include "scratch.h"

static void for_every_mark(bool wanted, void (*check)(const RebootMark *mark, unsigned acts)) {
        for (unsigned i = 0; i < 16; i++) {
                const RebootMark mark = {
                        .exists = i & 1, .ours = i & 2, .lists_us = i & 4, .lists_others = i & 8};
                check(&mark, rebootmark_decide(&mark, wanted));
        }
}

static void check_wanted(const RebootMark *mark, unsigned acts) {
        assert_int_equal(acts & REBOOTMARK_MAKE, mark->exists ? 0 : REBOOTMARK_MAKE);
        assert_int_equal(acts & REBOOTMARK_LIST, mark->lists_us ? 0 : REBOOTMARK_LIST);
        assert_int_equal(acts & (REBOOTMARK_REMOVE | REBOOTMARK_UNLIST), 0);
}

static void wanted_mark_is_made_and_lists_us(void **state) {
        for_every_mark(true, check_wanted);
}

static void check_unwanted(const RebootMark *mark, unsigned acts) {
        bool remove = mark->exists && mark->ours && !mark->lists_others;
        assert_int_equal(acts & REBOOTMARK_REMOVE, remove ? REBOOTMARK_REMOVE : 0);
        assert_int_equal(acts & REBOOTMARK_UNLIST, mark->lists_us ? REBOOTMARK_UNLIST : 0);
        assert_int_equal(acts & (REBOOTMARK_MAKE | REBOOTMARK_LIST), 0);
}

static void only_what_is_ours_is_taken_back(void **state) {
        for_every_mark(false, check_unwanted);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(wanted_mark_is_made_and_lists_us),
                cmocka_unit_test(only_what_is_ours_is_taken_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
