/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/refuse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW (1000 * USEC_PER_SEC)

static const RefuseFacts owed = {.setting = true, .owed = true};

static bool wanted(RefuseFacts f, uint64_t now, uint64_t again) {
        uint64_t got = 0;
        bool is = refuse_wanted(&f, now, &got);
        assert_int_equal(got, again);
        return is;
}

static void what_is_owed_is_a_reason_if_the_administrator_says_so(void **state) {
        assert_true(wanted(owed, NOW, USEC_INFINITY));
        assert_true(wanted(owed, 0, USEC_INFINITY));
        assert_false(wanted((RefuseFacts){.owed = true}, NOW, USEC_INFINITY));
        assert_false(wanted((RefuseFacts){.owed = true, .refusing = true}, NOW, USEC_INFINITY));
        assert_false(wanted((RefuseFacts){.setting = true}, NOW, USEC_INFINITY));
        assert_false(wanted((RefuseFacts){.setting = true, .refusing = true}, NOW, USEC_INFINITY));
}

static void whoever_has_the_reboot_lock_may_go_down(void **state) {
        RefuseFacts f = owed;
        f.reboot_locked = true;
        assert_false(wanted(f, NOW, USEC_INFINITY));
        f.refusing = true;
        assert_false(wanted(f, NOW, USEC_INFINITY));
}

static void nothing_begins_while_the_system_goes_down_but_what_stands_stays(void **state) {
        RefuseFacts f = owed;
        f.preparing = true;
        assert_false(wanted(f, NOW, USEC_INFINITY));
        f.refusing = true;
        assert_true(wanted(f, NOW, USEC_INFINITY));
        f.owed = false;
        assert_false(wanted(f, NOW, USEC_INFINITY));
}

static void it_begins_once_in_a_while_and_ends_at_once(void **state) {
        RefuseFacts f = owed;
        f.since = NOW;
        assert_false(wanted(f, NOW, NOW + USEC_PER_SEC));
        assert_false(wanted(f, NOW + USEC_PER_SEC - 1, NOW + USEC_PER_SEC));
        assert_true(wanted(f, NOW + USEC_PER_SEC, USEC_INFINITY));
        f.reloaded = true; /* that is dear */
        assert_false(wanted(f, NOW + 60 * USEC_PER_SEC - 1, NOW + 60 * USEC_PER_SEC));
        assert_true(wanted(f, NOW + 60 * USEC_PER_SEC, USEC_INFINITY));
        f.refusing = true;
        assert_true(wanted(f, NOW + 1, USEC_INFINITY));
        f.owed = false;
        assert_false(wanted(f, NOW + 1, USEC_INFINITY));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_owed_is_a_reason_if_the_administrator_says_so),
                cmocka_unit_test(whoever_has_the_reboot_lock_may_go_down),
                cmocka_unit_test(nothing_begins_while_the_system_goes_down_but_what_stands_stays),
                cmocka_unit_test(it_begins_once_in_a_while_and_ends_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
