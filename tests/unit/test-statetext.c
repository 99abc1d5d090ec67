/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/statetext.h"

#include "volumerecord.h"

#define STALE_CACHES                                                                                         \
        "CACHE modules-dep 6.1 fresh\n"                                                                      \
        "CACHE initramfs 6.1 stale /etc/x changed size\n"                                                    \
        "CACHE initramfs 6.2 stale /etc/y gone\n"
#define STALE_HELPERS                                                                                        \
        "HELPER sda1 esp " PARTUUID " fresh\n"                                                               \
        "HELPER sdb1 esp " PARTUUID " stale - never\n"
#define CACHE_TEXT "cache initramfs 6.1: /etc/x changed (size)"
#define HELPER_TEXT "helper sdb1: never brought up to date"

static void assert_text(const Record *r, const char *expected) {
        _cleanup_free_ char *text = statetext_of(r);
        assert_string_equal(text, expected);
}

static Record *volume_in(VolumeState state, const char *report) {
        Record *r = volume("sda2", "/mnt");
        r->volume.state = state;
        r->report = report ? report_of(report) : NULL;
        return r;
}

static void assert_text_in(VolumeState state, const char *report, const char *problem, const char *expected) {
        _cleanup_(record_freep) Record *r = volume_in(state, report);
        r->problem = problem ? strdup(problem) : NULL;
        r->volume.scan_runs = state == VOLUME_HUNG;
        assert_text(r, expected);
}

/* Without a report, and with one that has something to tell, and with a problem. */
static void each_state_has_a_reason_of_its_own(void **state) {
        static const struct {
                VolumeState state;
                const char *without, *stale, *problem;
        } all[] = {
                {VOLUME_NEW, "", "", ""},
                {VOLUME_PLAIN, "no manifest", "no manifest", "no manifest"},
                {VOLUME_REFUSED, "", "", "line 5"},
                {VOLUME_UNTRUSTED, "", CACHE_TEXT, CACHE_TEXT},
                {VOLUME_FRESH, "", "", ""},
                {VOLUME_SETTLING, "something changed", "something changed", "something changed"},
                {VOLUME_SCANNING, "", "", ""},
                {VOLUME_STALE, "", CACHE_TEXT, CACHE_TEXT},
                {VOLUME_BUILDING, "", CACHE_TEXT, CACHE_TEXT},
                {VOLUME_FAILED, "", "still stale: " CACHE_TEXT, "line 5"},
                {VOLUME_GIVEN_UP, "0 failures, 0 builds: ", "0 failures, 0 builds: still stale: " CACHE_TEXT,
                 "0 failures, 0 builds: line 5"},
                {VOLUME_HUNG, "a scan is not responding", "a scan is not responding",
                 "a scan is not responding"},
        };
        assert_int_equal(ELEMENTSOF(all), _VOLUME_STATE_MAX);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                assert_text_in(all[i].state, NULL, NULL, all[i].without);
                assert_text_in(all[i].state, STALE_CACHES, NULL, all[i].stale);
                assert_text_in(all[i].state, STALE_CACHES, "line 5", all[i].problem);
        }
}

static void the_first_stale_item_is_named(void **state) {
        static const struct {
                const char *report, *text;
        } all[] = {
                {"CACHE modules-dep - fresh\n", ""},
                {"CACHE grub - stale\n", "cache grub: "},
                {"CACHE grub - stale /etc/default/grub new\n", "cache grub: /etc/default/grub is new"},
                {STALE_HELPERS, HELPER_TEXT},
                {STALE_HELPERS STALE_CACHES, CACHE_TEXT},
                {"CACHE modules-dep 6.1 fresh\n" STALE_HELPERS, HELPER_TEXT},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                _cleanup_(record_freep) Record *r = volume_in(VOLUME_STALE, all[i].report);
                assert_text(r, all[i].text);
        }
}

static void of_several_holds_the_strongest_is_named(void **state) {
        static const struct {
                unsigned holds;
                const char *text;
        } all[] = {
                {VOLUME_HOLD_RETRY, "; a builder asked to be run later"},
                {VOLUME_HOLD_RETRY | VOLUME_HOLD_BOOT, "; held back because the machine has just booted"},
                {VOLUME_HOLD_RETRY | VOLUME_HOLD_BOOT | VOLUME_HOLD_PACKAGES,
                 "; held back while a package manager works"},
                {VOLUME_HOLD_RETRY | VOLUME_HOLD_BOOT | VOLUME_HOLD_PACKAGES | VOLUME_HOLD_LOCK,
                 "; held back by a lock"},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                _cleanup_(record_freep) Record *r = volume_in(VOLUME_STALE, STALE_CACHES);
                _cleanup_free_ char *expected = NULL;
                r->volume.holds = all[i].holds;
                assert_int_equal(strprintf(&expected, CACHE_TEXT "%s", all[i].text), 0);
                assert_text(r, expected);
                r->volume.state = VOLUME_BUILDING; /* nothing holds it any more */
                assert_text(r, CACHE_TEXT);
        }
}

static void what_was_put_off_says_why(void **state) {
        _cleanup_(record_freep) Record *r = volume_in(VOLUME_STALE, STALE_CACHES);
        r->volume.holds = VOLUME_HOLD_RETRY;
        r->problem = strdup("systemd does not build: it is away");
        r->built_badly = true;
        assert_text(r, CACHE_TEXT "; put off: systemd does not build: it is away");
        r->volume.holds |= VOLUME_HOLD_BOOT;
        assert_text(r, CACHE_TEXT "; held back because the machine has just booted");
        r->no_bus = "no bus";
        assert_text(r, CACHE_TEXT "; held back: no bus");
}

static void the_hanging_job_is_named(void **state) {
        _cleanup_(record_freep) Record *r = volume_in(VOLUME_HUNG, NULL);
        r->volume.build_runs = true;
        assert_text(r, "a build is not responding");
}

static void a_fresh_volume_says_if_it_is_not_watched(void **state) {
        _cleanup_(record_freep) Record *r = volume_in(VOLUME_FRESH, NULL);
        r->unwatched = strdup("too many files");
        assert_text(r, "not watched, scanned on a timer: too many files");
}

static void a_volume_given_up_says_how_often_it_was_tried(void **state) {
        _cleanup_(record_freep) Record *r = volume_in(VOLUME_GIVEN_UP, STALE_CACHES);
        r->problem = strdup("the disk is full");
        r->volume.failures = 5;
        r->volume.attempts = 6;
        assert_text(r, "5 failures, 6 builds: the disk is full");
}

static void settings_that_cannot_be_read_are_named_except_where_there_is_nothing_to_build(void **state) {
        _cleanup_(record_freep) Record *r = volume_in(VOLUME_STALE, STALE_CACHES);
        r->unread = "bootkeep.conf:3 cannot be read";
        assert_text(r, CACHE_TEXT "; held back: bootkeep.conf:3 cannot be read");
        r->volume.state = VOLUME_FRESH;
        assert_text(r, "held back: bootkeep.conf:3 cannot be read");
        r->volume.state = VOLUME_PLAIN;
        assert_text(r, "no manifest");
}

static void what_a_mount_covers_is_held_back(void **state) {
        _cleanup_(record_freep) Record *r = volume_in(VOLUME_STALE, "CACHE initramfs - stale /etc/x missing\n"
                                                                    "COVERED /boot/initrd\n");
        record_follow_block(r);
        assert_text(r, "cache initramfs: /etc/x is missing; held back: a mount covers /boot/initrd");
        assert_false(volume_busy(&r->volume));
        r->volume.state = VOLUME_BUILDING;
        assert_text(r, "cache initramfs: /etc/x is missing");
}

static void build_that_waits_says_for_what(void **state) {
        _cleanup_(record_freep) Record *r = volume_in(VOLUME_BUILDING, STALE_CACHES);
        r->build.report = report_of("WAITING yes\n");
        assert_text(r, "waiting for another build of this volume");
        r->volume.state = VOLUME_SCANNING;
        assert_text(r, "");
        r->volume.state = VOLUME_BUILDING;
        r->build.report->waiting = false;
        assert_text(r, CACHE_TEXT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_state_has_a_reason_of_its_own),
                cmocka_unit_test(the_first_stale_item_is_named),
                cmocka_unit_test(of_several_holds_the_strongest_is_named),
                cmocka_unit_test(what_a_mount_covers_is_held_back),
                cmocka_unit_test(build_that_waits_says_for_what),
                cmocka_unit_test(what_was_put_off_says_why),
                cmocka_unit_test(the_hanging_job_is_named),
                cmocka_unit_test(a_fresh_volume_says_if_it_is_not_watched),
                cmocka_unit_test(a_volume_given_up_says_how_often_it_was_tried),
                cmocka_unit_test(
                        settings_that_cannot_be_read_are_named_except_where_there_is_nothing_to_build),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
