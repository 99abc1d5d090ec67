/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/findings.h"

#include "journal.h"
#include "volumerecord.h"

/* A scan of R ended and had printed LINES. */
static void scanned(Record *r, const char *lines, size_t others) {
        r->scan.report = report_of(lines);
        findings_take_report(r, others);
        assert_null(r->scan.report);
}

static void report_replaces_the_last_one(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        journal_begin(LOG_DEBUG);
        scanned(r, "MANIFEST /a\nCACHE c - fresh\n", 0);
        assert_string_equal(r->report->manifest, "/a");
        assert_int_equal(r->report->n_caches, 1);
        scanned(r, "MANIFEST /b\n", 0);
        assert_string_equal(r->report->manifest, "/b");
        assert_int_equal(r->report->n_caches, 0);
        assert_said("");
}

static void a_note_is_logged_once_and_again_when_it_comes_back(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        journal_begin(LOG_NOTICE);
        scanned(r, "NOTE one\nNOTE two\n", 0);
        assert_said("5 sda2: one\n5 sda2: two\n");
        scanned(r, "NOTE two\nNOTE three\n", 0);
        assert_said("5 sda2: three\n");
        scanned(r, "NOTE two\nNOTE three\n", 0);
        assert_said("");
        scanned(r, "NOTE one\n", 0);
        assert_said("5 sda2: one\n");
}

/* It ended before it came to them. */
static void a_scan_that_failed_says_nothing_about_lock_files(void **state) {
        static const char *const ends[] = {"RESULT error\n", "RESULT refused\n", ""};
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        scanned(r, "HOLD /lock 8:1:5 locked\nRESULT stale\n", 0);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                scanned(r, ends[i], 0);
                assert_int_equal(r->report->n_holds, 1);
                assert_string_equal(r->report->holds[0].path, "/lock");
        }
        scanned(r, "HOLD /other 8:1:6 locked\nRESULT error\n", 0);
        assert_string_equal(r->report->holds[0].path, "/other");
        scanned(r, "RESULT stale\n", 0);
        assert_int_equal(r->report->n_holds, 0);
        scanned(r, "HOLD /lock 8:1:5 locked\nRESULT fresh\n", 0);
        scanned(r, "RESULT fresh\n", 0);
        assert_int_equal(r->report->n_holds, 0);
}

/* Anybody may plug in a disk that has much to say. */
static void a_note_of_an_untrusted_volume_is_logged_at_debug_level(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        r->volume.trusted = false;
        journal_begin(LOG_DEBUG);
        scanned(r, "NOTE one\n", 0);
        assert_said("7 sda2: one\n");
}

/* 16 MiB for all untrusted volumes together. */
static void reports_of_untrusted_volumes_share_a_limit(void **state) {
        static const char lines[] = "MANIFEST /a\nCACHE c - fresh\nNOTE one\nHOLD /lock 8:1:5 locked\n";
        static const size_t most = 16 << 20;
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        journal_begin(LOG_WARNING);
        r->volume.trusted = false;
        scanned(r, lines, 0);
        size_t size = report_size(r->report);
        assert_true(size > 0);
        scanned(r, lines, most - size);
        assert_int_equal(r->report->n_caches, 1);
        assert_said("");
        scanned(r, lines, most - size + 1);
        assert_int_equal(r->report->n_caches, 0);
        assert_int_equal(r->report->n_holds, 1);
        assert_string_equal(r->report->manifest, "/a");
        assert_said("4 sda2: the reports of untrusted volumes are too large, leaving out its caches and "
                    "helpers\n");
        r->volume.trusted = true;
        scanned(r, lines, SIZE_MAX / 2);
        assert_int_equal(r->report->n_caches, 1);
        assert_said("");
}

static void an_unwatched_volume_is_reported_once_and_scanned_on_a_timer(void **state) {
        static const char why[] = "4 sda2: not watched, scanned on a timer: too many directories\n";
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        journal_begin(LOG_DEBUG);
        assert_int_equal(watch_new(&r->watch), 0);
        scanned(r, "WATCHES 5\n", 0);
        findings_note_watching(r, 0);
        assert_false(r->volume.unwatched);
        assert_null(r->unwatched);
        assert_said("");
        scanned(r, "UNWATCHED too many directories\n", 0);
        findings_note_watching(r, 0);
        assert_true(r->volume.unwatched);
        assert_string_equal(r->unwatched, "too many directories");
        assert_said(why);
        scanned(r, "UNWATCHED a network\n", 0);
        findings_note_watching(r, 0);
        assert_true(r->volume.unwatched);
        assert_string_equal(r->unwatched, "a network"); /* the reason of today */
        assert_said("");
        scanned(r, "WATCHES 5\n", 0);
        findings_note_watching(r, 0);
        assert_false(r->volume.unwatched);
        assert_null(r->unwatched);
        assert_said("5 sda2: watched again\n");
        findings_note_watching(r, 0);
        assert_said("");
        scanned(r, "UNWATCHED too many directories\n", 0);
        findings_note_watching(r, 0);
        assert_said(why);
}

/* The message names the limit, and one that would do. */
static void without_an_instance_the_limit_that_would_do_is_named(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        unsigned long long max = 0;
        FILE *f = fopen("/proc/sys/fs/inotify/max_user_instances", "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%llu", &max), 1);
        (void) fclose(f);
        journal_begin(LOG_WARNING);
        scanned(r, "WATCHES 0\n", 0);
        findings_note_watching(r, 3);
        char expected[256];
        (void) snprintf(expected, sizeof(expected),
                        "no inotify instance is left: fs.inotify.max_user_instances is %llu for all programs "
                        "of this user together, at least %llu are needed (or the limit of open files is "
                        "reached)",
                        max, max + 3);
        assert_true(r->volume.unwatched);
        assert_string_equal(r->unwatched, expected);
        assert_non_null(strstr(journal.text, expected));
        assert_int_equal(watch_new(&r->watch), 0);
        findings_note_watching(r, 0);
        assert_false(r->volume.unwatched);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(report_replaces_the_last_one),
                cmocka_unit_test(a_note_is_logged_once_and_again_when_it_comes_back),
                cmocka_unit_test(a_scan_that_failed_says_nothing_about_lock_files),
                cmocka_unit_test(a_note_of_an_untrusted_volume_is_logged_at_debug_level),
                cmocka_unit_test(reports_of_untrusted_volumes_share_a_limit),
                cmocka_unit_test(an_unwatched_volume_is_reported_once_and_scanned_on_a_timer),
                cmocka_unit_test(without_an_instance_the_limit_that_would_do_is_named),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
