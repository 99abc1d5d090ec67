/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/opening.h"

#include "children.h"
#include "journal.h"

/* A scan that asks, and what is run in the place of bootkeep-build. */
typedef struct World {
        Scratch *s;
        sd_event *event;
        LaunchOptions launch;
        Running scan;
        int scan_status;
        Opening opening;
} World;

static int on_scan_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        World *w = userdata;
        const OpeningRequest request = {w->event, NULL, &w->launch, &w->scan.job, "sda2", "/mnt", 7, 0};
        (void) running_read(&w->scan);
        if (w->scan.report->uncover)
                opening_follow(&w->opening, &request);
        return 0;
}

static int on_scan_end(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        World *w = userdata;
        _cleanup_free_ char *problem = NULL;
        w->scan_status = running_conclude(&w->scan, "bootkeep-scan", &problem);
        opening_end(&w->opening);
        running_done(&w->scan);
        return 0;
}

/* It waits, as a scan does, for a fifo. */
static void scan_asks(World *w) {
        const RunningHandlers handlers = {on_scan_output, on_scan_end, w};
        _cleanup_free_ char *script = NULL;
        assert_int_equal(strprintf(&script, "echo UNCOVER /x; read x <%s/answer", w->s->path), 0);
        w->scan_status = -1;
        assert_true(running_listen(&w->scan, w->event, sh(script), &handlers) >= 0);
}

static void opener_is(const World *w, const char *script) {
        _cleanup_free_ char *text = NULL;
        assert_int_equal(strprintf(&text, "#!/bin/sh\necho run >>%s/runs\n%s\n", w->s->path, script), 0);
        scratch_write(w->s, "bootkeep-build", text);
        assert_int_equal(fchmodat(w->s->fd, "bootkeep-build", 0755, 0), 0);
}

static size_t runs(const World *w) {
        struct stat st;
        return fstatat(w->s->fd, "runs", &st, 0) < 0 ? 0 : (size_t) st.st_size / strlen("run\n");
}

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_int_equal(scratch_setup((void **) &w->s), 0);
        assert_true(sd_event_new(&w->event) >= 0);
        assert_int_equal(mkfifoat(w->s->fd, "answer", 0600), 0);
        w->launch = (LaunchOptions){.libexec = w->s->path, .runtime = "/run/x"};
        journal_begin(LOG_INFO);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;
        running_done(&w->scan);
        opening_done(&w->opening);
        sd_event_unref(w->event);
        int r = scratch_teardown((void **) &w->s);
        free(w);
        return r;
}

static void opener_is_started_once_for_a_scan(void **state) {
        World *w = *state;
        opener_is(w, "[ \"$1\" = --uncover=/run/x/stamps-7 ] && [ \"$5\" = /mnt ] && echo >${0%/*}/answer");
        for (size_t i = 1; i <= 2; i++) {
                scan_asks(w);
                run_until(w->event, w->scan_status >= 0 && !w->opening.running.job);
                assert_int_equal(w->scan_status, 0);
                assert_int_equal(runs(w), i);
        }
        assert_said("");
        assert_no_children();
}

/* systemd cannot even be asked: no unit, and no folder for it, is left. */
static void without_a_bus_the_opener_is_a_child(void **state) {
        World *w = *state;
        char units[96];
        (void) snprintf(units, sizeof(units), "%s/units", w->s->path);
        w->launch.units = units;
        opener_is(w, "echo >${0%/*}/answer");
        scan_asks(w);
        run_until(w->event, w->scan_status >= 0 && !running_runs(&w->opening.running));
        assert_int_equal(w->scan_status, 0);
        assert_int_equal(runs(w), 1);
        shell("test -d %s && rmdir %s", units, units);
        assert_said("");
}

static void scan_that_asks_for_nothing_gets_nothing(void **state) {
        World *w = *state;
        opener_is(w, "exit 0");
        const RunningHandlers handlers = {on_scan_output, on_scan_end, w};
        w->scan_status = -1;
        assert_true(running_listen(&w->scan, w->event, sh("echo WATCHES 1"), &handlers) >= 0);
        run_until(w->event, w->scan_status >= 0);
        assert_int_equal(runs(w), 0);
}

static void opener_that_fails_ends_the_scan(void **state) {
        World *w = *state;
        opener_is(w, "exit 3");
        scan_asks(w);
        run_until(w->event, w->scan_status >= 0);
        assert_int_equal(w->scan_status, 128 + SIGKILL);
        assert_said("4 sda2: cannot look below what is mounted over the stamps: bootkeep-build exited with "
                    "status 3\n");
        assert_no_children();
}

static void opener_that_cannot_be_started_ends_the_scan(void **state) {
        World *w = *state;
        w->launch.libexec = "/nonexistent";
        scan_asks(w);
        run_until(w->event, w->scan_status >= 0);
        assert_int_equal(w->scan_status, 128 + SIGKILL);
        assert_said("4 sda2: cannot look below what is mounted over the stamps: No such file or directory\n");
        assert_no_children();
}

/* It would answer a scan that is over: it is killed, and the next scan has one of its own. */
static void opener_goes_with_its_scan(void **state) {
        World *w = *state;
        opener_is(w, "exec sleep 1000");
        scan_asks(w);
        run_until(w->event, w->opening.running.job && runs(w) == 1);
        assert_int_equal(job_kill(w->scan.job, SIGKILL), 0);
        run_until(w->event, w->scan_status >= 0);
        opener_is(w, "echo >${0%/*}/answer");
        scan_asks(w);
        run_until(w->event, w->scan_status >= 0 && !w->opening.running.job);
        assert_int_equal(w->scan_status, 0);
        assert_int_equal(runs(w), 2);
        assert_said("");
        assert_no_children();
}

#define opening_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                opening_test(opener_is_started_once_for_a_scan),
                opening_test(without_a_bus_the_opener_is_a_child),
                opening_test(scan_that_asks_for_nothing_gets_nothing),
                opening_test(opener_that_fails_ends_the_scan),
                opening_test(opener_that_cannot_be_started_ends_the_scan),
                opening_test(opener_goes_with_its_scan),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
