/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <signal.h>
#include <sys/wait.h>

#include "builder/run/runner.h"

typedef struct Ran {
        RunnerOutcome outcome;
        char *reason;
        char printed[4096];
} Ran;

static void take(const char *line, void *userdata) {
        Ran *ran = userdata;

        if (strlen(ran->printed) + strlen(line) + 2 < sizeof(ran->printed)) {
                strcat(ran->printed, line);
                strcat(ran->printed, "\n");
        }
}

static Ran run_job(RunnerJob job) {
        Ran ran = {};

        job.program.name = "pack";
        job.line = take;
        job.userdata = &ran;
        assert_int_equal(runner_run(&job, &ran.outcome, &ran.reason), 0);
        return ran;
}

static Ran run_script(const char *script) {
        const char *argv[] = {"/bin/sh", "-c", script, NULL};
        return run_job((RunnerJob){
                .program.argv = (char *const *) argv, .root = -EBADF, .timeout_usec = USEC_INFINITY});
}

static void assert_reason(Ran *ran, RunnerOutcome outcome, const char *words) {
        assert_int_equal(ran->outcome, outcome);
        assert_non_null(ran->reason);
        if (!strstr(ran->reason, words))
                fail_msg("no \"%s\" in \"%s\"", words, ran->reason);
        free(ran->reason);
}

/* Everything that a builder started is gone when the runner returns. */
static void assert_no_children(void) {
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

static void both_outputs_are_taken_line_by_line(void **state) {
        Ran ran = run_script("echo one; echo two >&2; printf three");

        assert_int_equal(ran.outcome, RUNNER_SUCCESS);
        assert_null(ran.reason);
        assert_string_equal(ran.printed, "one\ntwo\nthree\n");
}

static void the_ways_to_end_are_distinguished(void **state) {
        Ran ran = run_script("exit 3");
        assert_reason(&ran, RUNNER_FAILED, "exited with status 3");
        ran = run_script("exit 75");
        assert_reason(&ran, RUNNER_NOT_NOW, "asked to be run later");
        ran = run_script("kill -KILL $$");
        assert_reason(&ran, RUNNER_FAILED, "killed by SIGKILL");
}

static void a_program_that_cannot_be_run_is_named(void **state) {
        Scratch *s = *state;
        char path[128];
        const char *argv[] = {path, NULL};
        RunnerJob job = {.program.argv = (char *const *) argv, .root = -EBADF, .timeout_usec = USEC_INFINITY};

        scratch_write(s, "script", "#!/bin/sh\n");
        (void) snprintf(path, sizeof(path), "%s/none", s->path);
        Ran ran = run_job(job);
        assert_reason(&ran, RUNNER_FAILED, "/none: No such file");
        (void) snprintf(path, sizeof(path), "%s/script", s->path);
        ran = run_job(job);
        assert_reason(&ran, RUNNER_FAILED, "/script: Permission denied");
        assert_no_children();
}

static void a_timeout_ends_the_builder_and_its_children(void **state) {
        const char *argv[] = {"/bin/sh", "-c", "sleep 1000 & setsid sleep 1000 & sleep 1000", NULL};
        RunnerJob job = {
                .program.argv = (char *const *) argv, .root = -EBADF, .timeout_usec = 200 * USEC_PER_MSEC};
        uint64_t start = now_usec();

        Ran ran = run_job(job);
        assert_reason(&ran, RUNNER_FAILED, "did not finish within");
        assert_true(now_usec() - start < 5 * USEC_PER_SEC);
        assert_no_children();
}

static void a_builder_is_asked_to_end_also_in_a_group_of_its_own(void **state) {
        const char *script = "trap 'echo asked; exit' TERM; echo begun; while :; do sleep 0.1; done";
        const char *argv[] = {"/usr/bin/timeout", "1000", "/bin/sh", "-c", script, NULL};
        RunnerJob job = {.program.argv = (char *const *) argv, .root = -EBADF, .timeout_usec = USEC_PER_SEC};

        Ran ran = run_job(job);
        assert_reason(&ran, RUNNER_FAILED, "did not finish within");
        assert_non_null(strstr(ran.printed, "asked")); /* the shell may print more */
        assert_no_children();
}

static void processes_that_a_builder_leaves_behind_are_killed(void **state) {
        Ran ran = run_script("setsid sleep 1000 & (setsid sleep 1000 &) ; exit 0");

        assert_int_equal(ran.outcome, RUNNER_SUCCESS);
        assert_no_children();
}

static void the_environment_is_clean(void **state) {
        const char *argv[] = {"/usr/bin/env", NULL}, *more[] = {"BOOTKEEP_CACHE=x", NULL};
        RunnerJob job = {
                .program.argv = (char *const *) argv,
                .program.environ = (char *const *) more,
                .root = -EBADF,
                .timeout_usec = USEC_INFINITY,
        };

        assert_int_equal(setenv("SECRET", "s3cret", true), 0);
        Ran ran = run_job(job);
        assert_int_equal(ran.outcome, RUNNER_SUCCESS);
        assert_null(strstr(ran.printed, "s3cret"));
        assert_non_null(strstr(ran.printed, "BOOTKEEP_CACHE=x\n"));
        assert_non_null(strstr(ran.printed, "LANG=C\n"));
        assert_non_null(strstr(ran.printed, "PATH=/"));
}

static void nothing_of_ours_but_the_pipe_is_inherited(void **state) {
        Scratch *s = *state;
        int leak = dup(s->fd); /* without O_CLOEXEC */

        assert_true(leak >= 0);
        Ran ran = run_script("for f in /proc/$$/fd/*; do readlink $f; done; umask");
        assert_int_equal(ran.outcome, RUNNER_SUCCESS);
        assert_null(strstr(ran.printed, s->path));
        assert_non_null(strstr(ran.printed, "/dev/null\n"));
        assert_non_null(strstr(ran.printed, "0022\n"));
        close(leak);
}

static void signals_are_as_at_the_start_of_a_program(void **state) {
        sigset_t set, old;

        assert_int_equal(sigemptyset(&set), 0);
        assert_int_equal(sigaddset(&set, SIGTERM), 0);
        assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
        assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
        Ran ran = run_script("grep -E 'Sig(Blk|Ign)' /proc/self/status");
        unsigned long long blocked, ignored;
        assert_int_equal(sscanf(ran.printed, "SigBlk:\\x09%llx SigIgn:\\x09%llx", &blocked, &ignored), 2);
        assert_int_equal(blocked, 0);
        /* 32 and 33 are libc's own: make leaves them ignored, and nobody can set them */
        assert_int_equal(ignored & ~(3ULL << 31), 0);
        assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
}

static void an_interrupt_stops_the_builder(void **state) {
        char us[24];
        const char *argv[] = {"/bin/sh", "-c", "kill -TERM $0; sleep 1000", us, NULL};
        Interrupt *interrupt = NULL;

        (void) snprintf(us, sizeof(us), "%i", getpid());

        assert_int_equal(interrupt_new(&interrupt), 0);
        Ran ran = run_job((RunnerJob){
                .program.argv = (char *const *) argv,
                .root = -EBADF,
                .timeout_usec = USEC_INFINITY,
                .interrupt = interrupt,
        });
        assert_reason(&ran, RUNNER_INTERRUPTED, "interrupted");
        assert_true(interrupt_check(interrupt));
        assert_no_children();
        (void) interrupt_free(interrupt);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(both_outputs_are_taken_line_by_line),
                cmocka_unit_test(the_ways_to_end_are_distinguished),
                scratch_test(a_program_that_cannot_be_run_is_named),
                cmocka_unit_test(a_timeout_ends_the_builder_and_its_children),
                cmocka_unit_test(a_builder_is_asked_to_end_also_in_a_group_of_its_own),
                cmocka_unit_test(processes_that_a_builder_leaves_behind_are_killed),
                cmocka_unit_test(the_environment_is_clean),
                scratch_test(nothing_of_ours_but_the_pipe_is_inherited),
                cmocka_unit_test(signals_are_as_at_the_start_of_a_program),
                cmocka_unit_test(an_interrupt_stops_the_builder),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
