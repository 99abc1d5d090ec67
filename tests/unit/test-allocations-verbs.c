/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of bootkeepctl fails in turn in each of its verbs, which call a bootkeepd of the test's
 * own over a real bus: it exits with a status that says so. */

#include "allocations.h"

#include "base/log.h"
#include "ctl/client.h"
#include "daemonlife.h"
#include "privatebus.h"

static const char scan[] = "echo MANIFEST /m\n"
                           "echo CACHE initramfs 6.1 stale /etc/initramfs.conf changed size\n"
                           "echo HELPER sda1 esp 12-34 stale - never\n"
                           "echo RESULT stale; exit 1";

typedef struct Service {
        PrivateBus bus;
        pid_t pid;
} Service;

static int ready_fd; /* in the process of the daemon */

static void tell_ready(void) {
        (void) !write(ready_fd, "", 1);
}

static void serve(const Scratch *s) {
        DaemonLife life;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) log_set_max_level(LOG_EMERG);
        if (daemon_life_begin(&life, s, tell_ready) >= 0 && daemon_life_add_volume(&life) >= 0)
                (void) sd_event_loop(life.event);
        _exit(EXIT_FAILURE);
}

static void service_start(Service *service, const Scratch *s, const char *scanner, const char *builder) {
        int ready[2];
        char byte;
        daemon_life_write_programs(s, scanner, builder);
        private_bus_start(&service->bus, s);
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        service->pid = fork();
        assert_true(service->pid >= 0);
        if (service->pid == 0) {
                ready_fd = ready[1];
                serve(s);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
}

static void service_stop(Service *service) {
        assert_int_equal(kill(service->pid, SIGKILL), 0);
        assert_int_equal(waitpid(service->pid, NULL, 0), service->pid);
        private_bus_stop(&service->bus);
}

/* One run of a verb, and its exit status. */
typedef struct Run {
        int (*verb)(Ctl *ctl, char *const *arguments);
        const char *arguments[4];
        int status;
        JsonMode json;
        size_t width;
        bool until_signal; /* it ends by one */
} Run;

/* The signal is there when the verb begins to listen. */
static int run_until_signal(const Run *run, Ctl *ctl, char *const *arguments) {
        sigset_t signals, before;
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        assert_int_equal(sigprocmask(SIG_BLOCK, &signals, &before), 0);
        assert_int_equal(kill(getpid(), SIGTERM), 0);
        int status = run->verb(ctl, arguments);
        (void) sigtimedwait(&signals, NULL, &(struct timespec){}); /* if it failed before that */
        assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
        return status;
}

static int run_verb(void *userdata) {
        const Run *run = userdata;
        char *const *arguments = (char *const *) (const void *) run->arguments;
        Ctl ctl = {
                .json = run->json,
                .legend = true,
                .wait = true,
                .timeout_usec = 60 * USEC_PER_SEC,
                .width = run->width,
                .colors = run->width > 0,
        };
        int status = client_open(&ctl.bus);
        if (status == EXIT_SUCCESS)
                status = run->until_signal ? run_until_signal(run, &ctl, arguments)
                                           : run->verb(&ctl, arguments);
        (void) fflush(stdout);
        sd_bus_flush_close_unref(ctl.bus);
        if (status == run->status)
                return 0;
        if (!allocations_have_failed())
                fail_msg("verb of %s, %s: status %i, expected %i", strempty(run->arguments[0]),
                         strempty(run->arguments[1]), status, run->status);
        assert_true(status > 0); /* it is never taken for success */
        return -ENOMEM;
}

/* What it prints is of no interest. */
static void fail_each_of(Run *run) {
        int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), level = log_set_max_level(LOG_EMERG);
        (void) fflush(stdout);
        assert_true(saved >= 0 && freopen("/dev/null", "we", stdout));
        allocations_fail_or_cope_prepared(&(AllocationsCase){
                .call = run_verb, .userdata = run, .hands_over = run->width > 0, /* text to libsmartcols */
        });
        (void) fflush(stdout);
        assert_true(dup2(saved, STDOUT_FILENO) >= 0);
        close(saved);
        log_set_max_level(level);
}

/* What was built, and what it was made from. */
static void what_asks_fails_with_a_status(void **state) {
        Run before[] = {{verb_trust, {"sda2"}, EXIT_SUCCESS}, {verb_rebuild, {"sda2"}, EXIT_SUCCESS}};
        Run runs[] = {
                {verb_history, {"sda2"}, EXIT_SUCCESS, .width = 60},
                {verb_history, {NULL}, EXIT_SUCCESS, .json = JSON_SHORT},
                {verb_sources, {"sda2"}, EXIT_SUCCESS, .width = 60},
                {verb_sources, {"sda2", "c"}, EXIT_SUCCESS, .json = JSON_SHORT},
        };
        Service service;
        int level = log_set_max_level(LOG_EMERG);
        service_start(&service, *state,
                      "echo MANIFEST /m\n"
                      "case \"$*\" in *--sources*) echo SOURCE c - file /x 1 named; exit 0;; esac\n"
                      "echo CACHE c - stale /x changed size; echo RESULT stale; exit 1",
                      "echo BUILT c - ok 5; echo UPDATED sda1 esp 12-34 ok 100; echo RESULT success");
        for (size_t i = 0; i < ELEMENTSOF(before); i++)
                assert_int_equal(run_verb(&before[i]), 0);
        log_set_max_level(level);
        for (size_t i = 0; i < ELEMENTSOF(runs); i++)
                fail_each_of(&runs[i]);
        service_stop(&service);
}

static void fail_each(void **state, Run *runs, size_t n) {
        Service service;
        service_start(&service, *state, scan, "echo RESULT success");
        for (size_t i = 0; i < n; i++)
                fail_each_of(&runs[i]);
        service_stop(&service);
}

static void what_shows_fails_with_a_status(void **state) {
        Run runs[] = {
                {verb_check, {NULL}, BOOTKEEP_CTL_NO},
                {verb_check, {"sda2"}, BOOTKEEP_CTL_NO, .width = 40},
                {verb_check, {"sda2"}, BOOTKEEP_CTL_NO, .json = JSON_SHORT},
                {verb_status, {NULL}, EXIT_SUCCESS, .width = 60},
                {verb_status, {"sda2"}, EXIT_SUCCESS, .width = 60},
                {verb_status, {NULL}, EXIT_SUCCESS, .json = JSON_PRETTY},
                {verb_status, {"sda3"}, BOOTKEEP_CTL_NO},
                {verb_monitor, {"sda2"}, EXIT_SUCCESS, .until_signal = true},
                {verb_unmount, {"sda3"}, BOOTKEEP_CTL_NO},
                {verb_history, {"sda2"}, EXIT_SUCCESS},
                {verb_history, {NULL}, EXIT_SUCCESS, .width = 60},
                {verb_history, {"sda2"}, EXIT_SUCCESS, .json = JSON_SHORT},
                {verb_ready, {NULL}, EXIT_SUCCESS},
                {verb_ready, {NULL}, EXIT_SUCCESS, .json = JSON_SHORT},
        };
        fail_each(state, runs, ELEMENTSOF(runs));
}

static void what_changes_fails_with_a_status(void **state) {
        Run runs[] = {
                {verb_rebuild, {"sda2"}, BOOTKEEP_CTL_NO}, /* it is not trusted */
                {verb_distrust, {"sda2"}, BOOTKEEP_CTL_NO},
                {verb_trust, {"sda2"}, EXIT_SUCCESS},
                {verb_rebuild, {"sda2"}, EXIT_SUCCESS},
                {verb_rebuild, {NULL}, EXIT_SUCCESS, .json = JSON_SHORT},
                {verb_flush, {NULL}, EXIT_SUCCESS},
                {verb_begin, {"sda3"}, BOOTKEEP_CTL_NO}, /* it is not trusted */
                {verb_done, {"1"}, BOOTKEEP_CTL_NO},
                {verb_done, {""}, EXIT_SUCCESS},
                {verb_sources, {"sda3"}, BOOTKEEP_CTL_NO},
                {verb_lock, {"sda2", "true"}, EXIT_SUCCESS},
                {verb_lock, {"sda2", "false"}, 1},
                {verb_reboot_lock, {"false"}, 1},
        };
        fail_each(state, runs, ELEMENTSOF(runs));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(what_shows_fails_with_a_status),
                scratch_test(what_changes_fails_with_a_status),
                scratch_test(what_asks_fails_with_a_status),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
