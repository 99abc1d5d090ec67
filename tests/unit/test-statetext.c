/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/statetext.h"

#include "volumerecord.h"

static void assert_reason(const Record *r, const char *expected) {
        _cleanup_free_ char *reason = statetext_of(r);
        assert_string_equal(reason, expected);
}

static void reason_says_why_the_state_is_what_it_is(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        for (VolumeState s = 0; s < _VOLUME_STATE_MAX; s++) { /* none of them without a report */
                r->volume.state = s;
                r->volume.scan_runs = s == VOLUME_HUNG;
                _cleanup_free_ char *reason = statetext_of(r);
                assert_non_null(reason);
        }
        r->report = report_new();
        assert_int_equal(report_parse_line(r->report, "CACHE modules-dep 6.1 fresh"), 0);
        assert_int_equal(report_parse_line(r->report, "CACHE initramfs 6.1 stale /etc/x changed size"), 0);
        assert_int_equal(report_parse_line(r->report, "HELPER sda1 esp " PARTUUID " stale - stamp missing"),
                         0);
        r->volume.state = VOLUME_STALE;
        _cleanup_free_ char *free_of_holds = statetext_of(r);
        assert_non_null(startswith(free_of_holds, "cache initramfs 6.1: /etc/x changed"));
        volume_hold(&r->volume, VOLUME_HOLD_BOOT, true);
        _cleanup_free_ char *held = statetext_of(r);
        assert_non_null(strstr(held, "held back because the machine has just booted"));
        volume_hold(&r->volume, VOLUME_HOLD_PACKAGES, true);
        _cleanup_free_ char *packages = statetext_of(r);
        assert_non_null(strstr(packages, "package manager"));
        r->volume.state = VOLUME_FRESH;
        assert_reason(r, "");
        r->problem = strdup("the disk is full");
        r->volume.state = VOLUME_FAILED;
        assert_reason(r, "the disk is full");
        r->volume.state = VOLUME_GIVEN_UP;
        r->volume.failures = 5;
        r->volume.attempts = 6;
        assert_reason(r, "5 failures, 6 builds: the disk is full");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reason_says_why_the_state_is_what_it_is),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
