/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/owedtext.h"

#include "volumerecord.h"

#define STALE                                                                                                \
        "CACHE modules-dep 6.1 fresh\n"                                                                      \
        "CACHE initramfs 6.1 stale /etc/x changed size\n"                                                    \
        "CACHE uki - stale /etc/y gone\n"                                                                    \
        "HELPER sda1 esp " PARTUUID " stale - never\n"                                                       \
        "HELPER sdb1 esp " PARTUUID " stale - never\n"

static Record *owed_in(VolumeState state, const char *build) {
        Record *r = volume("sda2", "/mnt");
        r->volume.state = state;
        r->report = report_of(STALE);
        r->device.uuid = strdup(UUID);
        if (build)
                r->build.report = report_of(build);
        return r;
}

static void assert_view(VolumeState state, const char *build, const OwedView *expected) {
        _cleanup_(record_freep) Record *r = owed_in(state, build);
        _cleanup_(owed_texts_done) OwedTexts texts = {};
        r->volume.scan_runs = state == VOLUME_HUNG;
        r->problem = state == VOLUME_FAILED ? strdup("no more ink") : NULL;
        assert_int_equal(owed_texts_add(&texts, r), 0);
        assert_int_equal(texts.n, 1);
        assert_string_equal(texts.views[0].volume, "sda2");
        assert_string_equal(texts.views[0].uuid, UUID);
        assert_string_equal(texts.views[0].doing, expected->doing);
        assert_string_equal(texts.views[0].reason, expected->reason);
        assert_int_equal(texts.views[0].percent, expected->percent);
}

#define LATE "not finished in time: cache initramfs 6.1: /etc/x changed (size)"

static void a_build_is_described_by_what_it_builds(void **state) {
        assert_view(VOLUME_BUILDING, "", &(OwedView){.doing = "building initramfs 6.1", .reason = LATE});
        assert_view(VOLUME_BUILDING, "BUILT initramfs 6.1 ok 5\n",
                    &(OwedView){.doing = "building uki", .reason = LATE, .percent = 25});
        assert_view(VOLUME_BUILDING, "BUILT initramfs 6.1 ok 5\nBUILT uki - ok 5\nPROGRESS 50 100\n",
                    &(OwedView){.doing = "updating its helpers", .reason = LATE, .percent = 75});
}

static void what_waits_or_failed_says_so(void **state) {
        const uint32_t none = OWED_PERCENT_UNKNOWN;
        assert_view(VOLUME_STALE, NULL,
                    &(OwedView){.doing = "waiting to be built", .reason = LATE, .percent = none});
        assert_view(VOLUME_SETTLING, NULL,
                    &(OwedView){.doing = "scanning",
                                .reason = "not finished in time: something changed",
                                .percent = none});
        assert_view(VOLUME_FAILED, NULL,
                    &(OwedView){.doing = "failed", .reason = "no more ink", .percent = none});
        assert_view(VOLUME_HUNG, NULL,
                    &(OwedView){.doing = "not responding",
                                .reason = "a scan is not responding",
                                .percent = none});
        assert_view(VOLUME_SCANNING, NULL,
                    &(OwedView){.doing = "scanning", .reason = "not finished in time", .percent = none});
}

static void no_more_than_all_of_it_is_done(void **state) {
        _cleanup_(report_freep) Report *stale = report_of("CACHE uki - stale /etc/y gone\n"),
                                       *more = report_of("BUILT uki - ok 5\nBUILT initramfs - ok 5\n"),
                                       *fresh = report_of("CACHE uki - fresh\n");
        assert_int_equal(owed_percent(stale, more), 100);
        assert_int_equal(owed_percent(fresh, more), OWED_PERCENT_UNKNOWN);
        assert_int_equal(owed_percent(NULL, more), OWED_PERCENT_UNKNOWN);
        assert_int_equal(owed_percent(stale, NULL), OWED_PERCENT_UNKNOWN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_build_is_described_by_what_it_builds),
                cmocka_unit_test(what_waits_or_failed_says_so),
                cmocka_unit_test(no_more_than_all_of_it_is_done),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
