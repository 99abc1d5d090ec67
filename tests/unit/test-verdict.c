/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void each_status_of_a_scan_is_its_event(void **state) {
        static const struct {
                int status;
                VolumeEvent event;
        } all[] = {
                {0, VOLUME_SCAN_FRESH},   {1, VOLUME_SCAN_STALE},    {2, VOLUME_SCAN_NONE},
                {3, VOLUME_SCAN_REFUSED}, {4, VOLUME_SCAN_ERROR},    {5, VOLUME_SCAN_ERROR},
                {137, VOLUME_SCAN_ERROR}, {-EIO, VOLUME_SCAN_ERROR}, {-1, VOLUME_SCAN_ERROR},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                VolumeEvent unchanged = all[i].status == 1 ? VOLUME_SCAN_STALE_AGAIN : all[i].event;
                assert_int_equal(verdict_of_scan(all[i].status, false), all[i].event);
                assert_int_equal(verdict_of_scan(all[i].status, true), unchanged);
        }
}

static void status_75_is_not_a_failure(void **state) {
        static const int failures[] = {1, 2, 3, 74, 76, 137, 255, -EIO};
        assert_int_equal(verdict_of_build(0, false), VOLUME_BUILD_SUCCESS);
        assert_int_equal(verdict_of_unlock(0), VOLUME_UNLOCKED_SUCCESS);
        assert_int_equal(verdict_of_build(75, false), VOLUME_BUILD_NOT_NOW);
        assert_int_equal(verdict_of_build(75, true), VOLUME_BUILD_LOCKED);
        assert_int_equal(verdict_of_build(0, true), VOLUME_BUILD_SUCCESS);
        assert_int_equal(verdict_of_build(1, true), VOLUME_BUILD_FAILURE);
        assert_int_equal(verdict_of_unlock(75), VOLUME_UNLOCKED);
        for (size_t i = 0; i < ELEMENTSOF(failures); i++) {
                assert_int_equal(verdict_of_build(failures[i], false), VOLUME_BUILD_FAILURE);
                assert_int_equal(verdict_of_unlock(failures[i]), VOLUME_UNLOCKED_FAILURE);
        }
}

static void callers_get_the_verdict_even_if_it_settles_again(void **state) {
        static const struct {
                VolumeEvent verdict;
                const char *text;
        } settling[] = {
                {VOLUME_SCAN_FRESH, "fresh"},       {VOLUME_SCAN_NONE, "plain"},
                {VOLUME_SCAN_REFUSED, "refused"},   {VOLUME_SCAN_STALE, "stale"},
                {VOLUME_SCAN_STALE_AGAIN, "stale"}, {VOLUME_SCAN_ERROR, "stale"},
        };
        for (size_t i = 0; i < ELEMENTSOF(settling); i++) {
                assert_string_equal(verdict_to_string(VOLUME_SETTLING, settling[i].verdict),
                                    settling[i].text);
                assert_string_equal(verdict_to_string(VOLUME_FAILED, settling[i].verdict), "failed");
                assert_string_equal(verdict_to_string(VOLUME_UNTRUSTED, settling[i].verdict), "untrusted");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_status_of_a_scan_is_its_event),
                cmocka_unit_test(status_75_is_not_a_failure),
                cmocka_unit_test(callers_get_the_verdict_even_if_it_settles_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
