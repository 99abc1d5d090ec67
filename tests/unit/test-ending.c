/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/ending.h"

#include <bootkeep.h>

#include "base/parse.h"
#include "fixture.h"

/* What an ending prints: its records, and what it says on stderr. To be freed. */
typedef struct Said {
        char *records, *log;
        int status;
} Said;

typedef int (*ending_t)(const Ending *e);

static Said said_by(const Ending *e, ending_t ending) {
        char *records = NULL;
        size_t size = 0;
        FILE *before = stdout;
        Capture c = capture_begin();
        stdout = open_memstream(&records, &size);
        assert_non_null(stdout);
        int status = ending(e);
        (void) fclose(stdout);
        stdout = before;
        return (Said){.records = records, .log = capture_end(&c), .status = status};
}

static void said_done(Said *s) {
        free(s->records);
        free(s->log);
}

static void ending_is(const Ending *e, ending_t ending, int status, const char *records) {
        Said s = said_by(e, ending);
        assert_int_equal(s.status, status);
        assert_string_equal(s.records, records);
        said_done(&s);
}

static int say_fresh(const Ending *e) {
        return ending_say(e, BOOTKEEP_SCAN_FRESH, NULL);
}

static int say_stale(const Ending *e) {
        return ending_say(e, BOOTKEEP_SCAN_STALE, NULL);
}

static int say_no_manifest(const Ending *e) {
        return ending_say(e, BOOTKEEP_SCAN_NO_MANIFEST, NULL);
}

static int say_refused(const Ending *e) {
        return ending_say(e, BOOTKEEP_SCAN_REFUSED, "odd");
}

static int say_error(const Ending *e) {
        return ending_say_error(e, "%s %i", "reason", 5);
}

static void results_are_words_and_statuses(void **state) {
        const Watcher w = {.inotify_fd = -1, .n_watches = 3};
        const Ending e = {.watcher = &w, .quiet = true};
        ending_is(&e, say_fresh, 0, "WATCHES 3\nRESULT fresh\n");
        ending_is(&e, say_stale, 1, "WATCHES 3\nRESULT stale\n");
        ending_is(&e, say_no_manifest, 2, "WATCHES 3\nRESULT none\n");
        ending_is(&e, say_refused, 3, "WATCHES 3\nREASON odd\nRESULT refused\n");
        ending_is(&e, say_error, 4, "WATCHES 3\nREASON reason 5\nRESULT error\n");
}

static void any_number_of_watches_can_be_told(void **state) {
        const Watcher w = {.inotify_fd = -1, .n_watches = UINT32_MAX};
        const Ending e = {.watcher = &w, .quiet = true};
        ending_is(&e, say_fresh, 0, "WATCHES 4294967295\nRESULT fresh\n");
}

static void reason_is_said_on_stderr_unless_quiet(void **state) {
        const Watcher w = {.inotify_fd = -1};
        Ending e = {.watcher = &w, .volume = "sda2"};
        Said s = said_by(&e, say_error);
        assert_non_null(strstr(s.log, "reason 5"));
        assert_non_null(strstr(s.log, "sda2"));
        said_done(&s);
        s = said_by(&e, say_fresh);
        assert_null(strstr(s.log, "sda2"));
        said_done(&s);
        e.quiet = true;
        s = said_by(&e, say_error);
        assert_null(strstr(s.log, "reason 5"));
        said_done(&s);
}

static void what_is_not_watched_is_told(void **state) {
        uint64_t max = 0;
        char expected[512];
        Watcher w = {.inotify_fd = 0, .n_watches = 7, .n_armed = 7};
        const Ending e = {.watcher = &w, .quiet = true};
        ending_is(&e, say_fresh, 0, "WATCHES 7\nRESULT fresh\n");
        w.covered = true;
        ending_is(&e, say_fresh, 0,
                  "WATCHES 7\nUNWATCHED a mount covers a place that should be watched\nRESULT fresh\n");
        w.n_armed = 5;
        assert_int_equal(parse_file_u64("/proc/sys/fs/inotify/max_user_watches", &max), 0);
        (void) snprintf(expected, sizeof(expected),
                        "WATCHES 7\nUNWATCHED 2 of 7 inotify watches could not be added: "
                        "fs.inotify.max_user_watches is %llu for all programs of this user together, at "
                        "least %llu are needed\nRESULT stale\n",
                        (unsigned long long) max, (unsigned long long) max + 2);
        ending_is(&e, say_stale, 1, expected);
        w.covered = false;
        ending_is(&e, say_stale, 1, expected);
        w.inotify_fd = -1; /* nothing was to be watched */
        ending_is(&e, say_stale, 1, "WATCHES 7\nRESULT stale\n");
}

static void record_that_cannot_be_written_is_an_error(void **state) {
        const Watcher w = {.inotify_fd = -1};
        const Ending e = {.watcher = &w, .quiet = true};
        FILE *before = stdout;
        stdout = fopen("/dev/full", "we");
        int fresh = say_fresh(&e), stale = say_stale(&e);
        (void) fclose(stdout);
        stdout = before;
        assert_int_equal(fresh, BOOTKEEP_SCAN_ERROR);
        assert_int_equal(stale, BOOTKEEP_SCAN_ERROR);
}

static int stop_by_error(const Ending *e) {
        return ending_say_stopped(e, -EIO, "Failed to check the caches");
}

static int stop_by_size(const Ending *e) {
        return ending_say_stopped(e, -E2BIG, "Failed to check the caches");
}

static void manifest_that_names_too_much_is_refused(void **state) {
        const Watcher w = {.inotify_fd = -1};
        Ending e = {.watcher = &w, .quiet = true};
        ending_is(&e, stop_by_error, BOOTKEEP_SCAN_ERROR,
                  "WATCHES 0\nREASON Failed to check the caches: Input/output error\nRESULT error\n");
        ending_is(&e, stop_by_size, BOOTKEEP_SCAN_REFUSED,
                  "WATCHES 0\nREASON Failed to check the caches: it names more than 200000 directories to "
                  "watch\nRESULT refused\n");
        e.manifest = "/etc/bootcaches.xml";
        ending_is(&e, stop_by_size, BOOTKEEP_SCAN_REFUSED,
                  "WATCHES 0\nREASON /etc/bootcaches.xml: it names more than 200000 directories to "
                  "watch\nRESULT refused\n");
}

static int refuse(const Ending *e) {
        return ending_say_refused(e, -EBADMSG, "line 3: odd");
}

static int refuse_without_reason(const Ending *e) {
        return ending_say_refused(e, -EBADMSG, NULL);
}

static int fail_to_read(const Ending *e) {
        return ending_say_refused(e, -EIO, NULL);
}

static int fail_to_read_with_reason(const Ending *e) {
        return ending_say_refused(e, -EIO, "100% lost");
}

static int plan_too_much(const Ending *e) {
        return ending_say_refused(e, -E2BIG, "some reason");
}

static void manifest_is_refused_or_could_not_be_read(void **state) {
        const Watcher w = {.inotify_fd = -1};
        const Ending e = {.watcher = &w, .quiet = true, .manifest = "/m"};
        ending_is(&e, refuse, 3, "WATCHES 0\nREASON line 3: odd\nRESULT refused\n");
        ending_is(&e, refuse_without_reason, 3,
                  "WATCHES 0\nREASON Failed to parse the manifest\nRESULT refused\n");
        ending_is(&e, fail_to_read, 4,
                  "WATCHES 0\nREASON Failed to read the manifest: Input/output error\nRESULT error\n");
        ending_is(&e, fail_to_read_with_reason, 4, "WATCHES 0\nREASON 100% lost\nRESULT error\n");
        ending_is(&e, plan_too_much, 3,
                  "WATCHES 0\nREASON /m: it names more than 200000 directories to watch\nRESULT refused\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(results_are_words_and_statuses),
                cmocka_unit_test(any_number_of_watches_can_be_told),
                cmocka_unit_test(reason_is_said_on_stderr_unless_quiet),
                cmocka_unit_test(what_is_not_watched_is_told),
                cmocka_unit_test(record_that_cannot_be_written_is_an_error),
                cmocka_unit_test(manifest_that_names_too_much_is_refused),
                cmocka_unit_test(manifest_is_refused_or_could_not_be_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
