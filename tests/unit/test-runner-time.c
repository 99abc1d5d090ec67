/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What happens when a builder takes long: the clock stands still, except that whenever the runner has waited
 * in vain it is as late as the runner wanted to wait. So nobody has to wait, and a slow machine changes
 * nothing. */

#include "builder/run/runner.h"
#include "builder/run/usage.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "fixture.h"
#include "interpose.h"

#define PATIENCE_MSEC 30 /* how long it really waits */

static struct {
        uint64_t now_usec;
        unsigned n_polls_failing, n_polls_interrupted; /* that many calls first */
        bool runs; /* it has printed something, so it is waited for in vain from here on */
        bool signals_are_lost;
        Usage usage, more; /* of the builder, and how much more each time */
        char signals[64];  /* that were sent to the builder's group, in order */
        uint64_t kill_usec, term_usec;
        pid_t lost; /* the process that should have got a signal */
} world;

int clock_gettime(clockid_t clock_id, struct timespec *tp) {
        tp->tv_sec = (time_t) (world.now_usec / USEC_PER_SEC);
        tp->tv_nsec = (long) (world.now_usec % USEC_PER_SEC * 1000);
        return 0;
}

int poll(struct pollfd *fds, nfds_t nfds, int timeout) {
        if (world.n_polls_failing > 0 || world.n_polls_interrupted > 0) {
                errno = world.n_polls_failing > 0 ? ENOMEM : EINTR;
                if (world.n_polls_failing > 0)
                        world.n_polls_failing--;
                else
                        world.n_polls_interrupted--;
                return -1;
        }
        int really = timeout < 0 || !world.runs ? timeout : MIN(timeout, PATIENCE_MSEC);
        int r = REAL(poll)(fds, nfds, really);
        if (r == 0)
                world.now_usec += (uint64_t) timeout * USEC_PER_MSEC;
        return r;
}

Usage usage_of_tree(pid_t pid) {
        world.usage.cpu_usec += world.more.cpu_usec;
        world.usage.io_bytes += world.more.io_bytes;
        return world.usage;
}

int kill(pid_t pid, int sig) {
        if (pid < 0 && (sig == SIGTERM || sig == SIGKILL)) {
                size_t n = strlen(world.signals);
                (void) snprintf(world.signals + n, sizeof(world.signals) - n,
                                sig == SIGTERM ? "TERM " : "KILL ");
                *(sig == SIGTERM ? &world.term_usec : &world.kill_usec) = now_usec();
                world.lost = pid;
        }
        return world.signals_are_lost ? 0 : REAL(kill)(pid, sig);
}

typedef struct Ran {
        RunnerOutcome outcome;
        char *reason;
        unsigned n_beats, n_active;
        Interrupt *stopped;  /* at the first line that it prints we are told to stop */
        uint64_t start, end; /* of its time */
        int r;
} Ran;

static void take_line(const char *line, void *userdata) {
        const Ran *ran = userdata;
        world.runs = true;
        if (ran->stopped)
                assert_int_equal(REAL(kill)(getpid(), SIGTERM), 0);
}

static void count_beat(bool active, void *userdata) {
        Ran *ran = userdata;
        if (now_usec() > ran->end) /* a slow machine takes its time to end the builder */
                return;
        ran->n_beats++;
        ran->n_active += active;
}

static void run(Ran *ran, const char *script, uint64_t timeout_usec) {
        const char *argv[] = {"/bin/sh", "-c", script, NULL};
        const RunnerJob job = {
                .program = {.name = "pack", .argv = (char *const *) argv},
                .root = -EBADF,
                .timeout_usec = timeout_usec,
                .line = take_line,
                .beat = count_beat,
                .userdata = ran,
                .interrupt = ran->stopped,
        };
        ran->start = now_usec();
        ran->end = timeout_usec == USEC_INFINITY ? USEC_INFINITY : ran->start + timeout_usec;
        ran->r = runner_run(&job, &ran->outcome, &ran->reason);
}

static void assert_no_children(void) {
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

static int world_setup(void **state) {
        memset(&world, 0, sizeof(world));
        world.now_usec = 1000 * USEC_PER_SEC;
        return 0;
}

#define world_test(f) cmocka_unit_test_setup(f, world_setup)

static void a_builder_that_runs_is_heard_of_every_second(void **state) {
        Ran ran = {};
        run(&ran, "echo running; exec sleep 1000", 10 * USEC_PER_SEC);
        assert_int_equal(ran.outcome, RUNNER_FAILED);
        assert_string_equal(ran.reason, "builder pack did not finish within 10 s and was stopped");
        assert_int_equal(ran.n_beats, 10);
        assert_string_equal(world.signals, "TERM ");
        assert_int_equal(world.term_usec - ran.start, 10 * USEC_PER_SEC);
        assert_no_children();
        free(ran.reason);
}

static void a_builder_that_prints_or_uses_anything_is_active(void **state) {
        static const struct {
                Usage more;
                unsigned n_active;
        } all[] = {
                {{}, 1}, /* it printed something before the first beat */
                {{.cpu_usec = ACTIVITY_CPU_USEC}, 10},
                {{.io_bytes = 512}, 10},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                Ran ran = {};
                world.more = all[i].more;
                run(&ran, "echo running; exec sleep 1000", 10 * USEC_PER_SEC);
                assert_int_equal(ran.n_beats, 10);
                assert_int_equal(ran.n_active, all[i].n_active);
                free(ran.reason);
        }
}

static void a_builder_that_ends_in_time_is_not_stopped(void **state) {
        Ran ran = {};
        world.n_polls_interrupted = 3;
        run(&ran, "exit 0", USEC_INFINITY);
        assert_int_equal(ran.r, 0);
        assert_int_equal(ran.outcome, RUNNER_SUCCESS);
        assert_null(ran.reason);
        assert_string_equal(world.signals, "");
        assert_int_equal(ran.n_beats, 0);
        assert_no_children();
}

static void a_builder_that_ignores_the_first_signal_gets_the_last(void **state) {
        Ran ran = {};
        run(&ran, "trap '' TERM; echo running; while :; do sleep 1000; done", 2 * USEC_PER_SEC);
        assert_string_equal(ran.reason, "builder pack did not finish within 2 s and was stopped");
        assert_string_equal(world.signals, "TERM KILL ");
        assert_int_equal(world.kill_usec - world.term_usec, 5 * USEC_PER_SEC);
        assert_no_children();
        free(ran.reason);
}

static void an_interrupted_builder_has_as_long_to_end(void **state) {
        Ran ran = {};
        assert_int_equal(interrupt_new(&ran.stopped), 0);
        run(&ran, "trap '' TERM; echo running; while :; do sleep 1000; done", USEC_INFINITY);
        assert_int_equal(ran.outcome, RUNNER_INTERRUPTED);
        assert_string_equal(ran.reason, "interrupted");
        assert_string_equal(world.signals, "TERM KILL ");
        assert_int_equal(world.kill_usec - world.term_usec, 5 * USEC_PER_SEC);
        assert_no_children();
        free(ran.reason);
        (void) interrupt_free(ran.stopped);
}

/* As one that waits for a disk that does not answer. */
static void a_builder_that_does_not_die_is_given_up(void **state) {
        Ran ran = {};
        world.signals_are_lost = true;
        run(&ran, "echo running; exec sleep 1000", 2 * USEC_PER_SEC);
        assert_int_equal(ran.outcome, RUNNER_FAILED);
        assert_string_equal(ran.reason, "builder pack hangs and cannot be killed");
        assert_string_equal(world.signals, "TERM KILL ");
        /* twice the time to end, and once for what it left behind */
        assert_in_range(now_usec() - world.term_usec, 15 * USEC_PER_SEC,
                        15 * USEC_PER_SEC + 9 * USEC_PER_MSEC);
        assert_int_equal(REAL(kill)(world.lost, SIGKILL), 0);
        while (waitpid(-1, NULL, 0) > 0)
                ;
        free(ran.reason);
}

static void nothing_runs_on_when_it_cannot_be_waited_for(void **state) {
        Ran ran = {};
        world.n_polls_failing = 1;
        run(&ran, "sleep 1000 & exec sleep 1000", USEC_INFINITY);
        assert_int_equal(ran.r, -ENOMEM);
        assert_null(ran.reason);
        assert_no_children();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(a_builder_that_runs_is_heard_of_every_second),
                world_test(a_builder_that_prints_or_uses_anything_is_active),
                world_test(a_builder_that_ends_in_time_is_not_stopped),
                world_test(a_builder_that_ignores_the_first_signal_gets_the_last),
                world_test(an_interrupted_builder_has_as_long_to_end),
                world_test(a_builder_that_does_not_die_is_given_up),
                world_test(nothing_runs_on_when_it_cannot_be_waited_for),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
