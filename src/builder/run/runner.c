/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parent's side: waits for output, exit, timeout and interruption in one poll, and ensures that nothing
 * is left behind. What the child does before its exec is in spawn.c. Refuses to be clever about what the
 * builder does: it is root's own program. */

#include "builder/run/runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/progress.h"
#include "bootkeep.h"
#include "builder/run/clockset.h"
#include "builder/run/descendants.h"
#include "builder/run/learner.h"
#include "builder/run/linecutter.h"
#include "builder/run/usage.h"

#define STOP_USEC (5 * USEC_PER_SEC)
/* More than a queue holds, whatever still goes on. */
#define REST_MAX 64U

typedef enum Phase {
        PHASE_RUNNING,
        PHASE_TERMINATING, /* SIGTERM sent */
        PHASE_KILLING,     /* SIGKILL sent */
        PHASE_LOST,        /* does not even die */
} Phase;

typedef struct Runner {
        const RunnerJob *job;
        BuilderSpace space;
        Learner *learner; /* or NULL */
        Lookups *lookups; /* beside it */
        Spawn spawn;
        LineCutter output;
        Phase phase;
        uint64_t deadline, beat;
        Activity activity;
        bool timed_out, interrupted;
        bool printed; /* since the last beat */
} Runner;

static void kill_group(const Runner *runner, int sig) {
        (void) kill(-runner->spawn.pid, sig);
        (void) kill(runner->spawn.pid, sig); /* it may not have its session yet */
}

static void advance_phase(Runner *runner) {
        static const int signals[] = {
                [PHASE_RUNNING] = SIGTERM,
                [PHASE_TERMINATING] = SIGKILL,
                [PHASE_KILLING] = 0,
                [PHASE_LOST] = 0,
        };
        assert((size_t) runner->phase < ELEMENTSOF(signals));
        if (signals[runner->phase] != 0)
                kill_group(runner, signals[runner->phase]);
        if (runner->phase != PHASE_LOST)
                runner->phase++;
        runner->deadline = now_usec() + STOP_USEC;
}

/* Reads what there is, once: a builder that prints without end must not keep us from checking the clock.
 * False: nothing more (now). */
static bool read_output(Runner *runner, bool *ret_end) {
        char buffer[16384];
        ssize_t n = read(runner->spawn.output_fd, buffer, sizeof(buffer));
        *ret_end = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
        runner->printed = runner->printed || n > 0;
        if (n > 0)
                linecutter_feed(&runner->output, buffer, (size_t) n);
        return n > 0;
}

/* The rest in the pipe; a writer that cannot be killed does not block us. */
static void drain_output(Runner *runner) {
        bool end;
        for (unsigned i = 0; i < 64 && read_output(runner, &end); i++)
                ;
        linecutter_finish(&runner->output);
}

static int poll_timeout(uint64_t deadline) {
        uint64_t now = now_usec();
        if (deadline == USEC_INFINITY)
                return -1;
        if (deadline <= now)
                return 0;
        uint64_t msec = (deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
        return msec > INT32_MAX ? INT32_MAX : (int) msec;
}

static void heed_interrupt(Runner *runner) {
        if (!interrupt_check(runner->job->interrupt))
                return;
        runner->interrupted = true;
        if (runner->phase == PHASE_RUNNING)
                advance_phase(runner);
}

static void heed_deadline(Runner *runner) {
        if (now_usec() < runner->deadline)
                return;
        if (runner->phase == PHASE_RUNNING)
                runner->timed_out = true;
        advance_phase(runner);
}

static void give_beat(Runner *runner) {
        if (!runner->job->beat || now_usec() < runner->beat)
                return;
        const Usage usage = usage_of_tree(runner->spawn.pid);
        bool used = activity_judge(&runner->activity, &usage, now_usec());
        runner->job->beat(used || runner->printed, runner->job->userdata);
        runner->printed = false;
        runner->beat = now_usec() + PROGRESS_BEAT_USEC;
}

/* An event of before must not be taken for a new one: without one we would wait for it. */
static struct pollfd lookups_to_poll(const Runner *runner) {
        return (struct pollfd){.fd = runner->lookups ? lookups_get_fd(runner->lookups) : -EBADF,
                               .events = POLLIN};
}

/* Until the builder's own process has exited, or cannot be killed. */
static int wait_until_end(Runner *runner) {
        enum { END, OUTPUT, INTERRUPT, LEARNER, LOOKUPS };
        struct pollfd p[LOOKUPS + 1] = {
                [END] = {.fd = runner->spawn.pidfd, .events = POLLIN},
                [OUTPUT] = {.fd = runner->spawn.output_fd, .events = POLLIN},
                [INTERRUPT] = {.fd = interrupt_get_fd(runner->job->interrupt), .events = POLLIN},
                [LEARNER] = {.fd = runner->learner ? learner_get_fd(runner->learner) : -EBADF,
                             .events = POLLIN},
        };
        while (runner->phase != PHASE_LOST) {
                bool end = false;
                p[LOOKUPS] = lookups_to_poll(runner);
                if (poll(p, ELEMENTSOF(p), poll_timeout(MIN(runner->deadline, runner->beat))) < 0 &&
                    errno != EINTR)
                        return error_origin(-errno);
                if ((p[LEARNER].revents && learner_take(runner->learner) == -ENOMEM) ||
                    (p[LOOKUPS].revents && lookups_serve(runner->lookups, p[LOOKUPS].revents) < 0))
                        return -ENOMEM;
                if (p[OUTPUT].revents)
                        (void) read_output(runner, &end);
                if (end)
                        p[OUTPUT].fd = -EBADF;
                if (p[INTERRUPT].revents) {
                        heed_interrupt(runner);
                        p[INTERRUPT].fd = runner->interrupted ? -EBADF : p[INTERRUPT].fd;
                }
                if (p[END].revents)
                        return 0;
                heed_deadline(runner);
                give_beat(runner);
        }
        return 0;
}

/* As the subreaper we inherit all orphans. */
static void reap_descendants(const Runner *runner) {
        unsigned n = descendants_kill(now_usec() + STOP_USEC);
        if (n > 0)
                log_warning("Builder %s left %u processes behind: killed", runner->job->program.name, n);
}

static RunnerOutcome judge_exit(const RunnerJob *job, int status, char **ret_reason) {
        if (status == EXIT_SUCCESS)
                return RUNNER_SUCCESS;
        if (status == BOOTKEEP_BUILD_TEMPFAIL) {
                (void) failure(ret_reason, 0, "builder %s asked to be run later (exit status 75)",
                               job->program.name);
                return RUNNER_NOT_NOW;
        }
        (void) failure(ret_reason, 0, "builder %s exited with status %i", job->program.name, status);
        return RUNNER_FAILED;
}

static RunnerOutcome judge_end(const Runner *runner, const siginfo_t *info, char **ret_reason) {
        const RunnerJob *job = runner->job;
        if (runner->interrupted) {
                (void) failure(ret_reason, 0, "interrupted");
                return RUNNER_INTERRUPTED;
        }
        if (runner->phase == PHASE_LOST)
                (void) failure(ret_reason, 0, "builder %s hangs and cannot be killed", job->program.name);
        else if (runner->timed_out)
                (void) failure(ret_reason, 0, "builder %s did not finish within %llu s and was stopped",
                               job->program.name, (unsigned long long) (job->timeout_usec / USEC_PER_SEC));
        else if (info->si_code == CLD_EXITED)
                return judge_exit(job, info->si_status, ret_reason);
        else if (sigabbrev_np(info->si_status))
                (void) failure(ret_reason, 0, "builder %s was killed by SIG%s", job->program.name,
                               sigabbrev_np(info->si_status));
        else /* of real time */
                (void) failure(ret_reason, 0, "builder %s was killed by signal %i", job->program.name,
                               info->si_status);
        return RUNNER_FAILED;
}

/* What it used to the end; all of it has ended, or cannot be killed. */
static int learn_rest(const Runner *runner) {
        int r = runner->learner ? 1 : 0;
        for (unsigned i = 0; r > 0 && i < REST_MAX; i++)
                r = learner_take(runner->learner);
        return r <= 0 ? r : trace_miss(runner->job->trace, "it cannot be ended");
}

static int follow_to_end(Runner *runner, RunnerOutcome *ret, char **ret_reason) {
        siginfo_t info = {};
        int r = runner->lookups ? lookups_begin(runner->lookups) : 0;
        if (r >= 0)
                r = wait_until_end(runner);
        if (r < 0)
                kill_group(runner, SIGKILL);
        assert(runner->spawn.pidfd >= 0 && runner->spawn.output_fd >= 0);
        if (runner->phase != PHASE_LOST)
                (void) waitid(P_PIDFD, (id_t) runner->spawn.pidfd, &info, WEXITED);
        reap_descendants(runner);
        drain_output(runner);
        if (r >= 0)
                r = learn_rest(runner);
        if (r < 0)
                return r;
        *ret = judge_end(runner, &info, ret_reason);
        return 0;
}

/* Without memory nothing goes on; without anything else the builder does. */
static int do_without_learner(Runner *runner, const char *what, int r) {
        runner->learner = learner_free(runner->learner);
        runner->lookups = lookups_free(runner->lookups);
        if (r == -ENOMEM)
                return r;
        return runner->job->trace ? trace_miss(runner->job->trace, "%s: %s", what, strerror(-r)) : 0;
}

static int prepare_lookups(Runner *runner) {
        const RunnerJob *job = runner->job;
        const LookupsJob wanted = {
                .scope = job->learn == LEARN_LOOKUPS ? LOOKUP_NAMES : LOOKUP_MOUNTS,
                .program = job->program.argv[0],
                .volume = job->place ? job->place : "/",
                .trace = job->trace,
        };
        return lookups_new(&wanted, &runner->lookups);
}

/* The space of the builder, if it has one, with somebody who looks. */
static int prepare_space(Runner *runner, const char **ret_what) {
        const RunnerJob *job = runner->job;
        *ret_what = "clone of the volume's mount";
        if (job->root < 0)
                return job->trace ? trace_miss(job->trace, "it runs outside of any volume") : 0;
        int r = builderspace_make(job->root, job->place, job->program.argv, &runner->space);
        if (r < 0)
                return job->place ? do_without_learner(runner, *ret_what, r) : r;
        r = job->trace ? learner_new(runner->space.tree, job->trace, &runner->learner) : 0;
        if (r < 0)
                return do_without_learner(runner, "fanotify", r);
        return job->trace ? prepare_lookups(runner) : 0;
}

static int start_in_space(Runner *runner, char **ret_reason) {
        SpawnProgram program = runner->job->program;
        program.space = runner->space.tree >= 0 ? &runner->space : NULL;
        program.lookups = runner->lookups;
        return spawn_start(&program, &runner->spawn, ret_reason);
}

/* On the host it needs no space of its own to do its work. */
static int start_in_space_or_without(Runner *runner, char **ret_reason) {
        int r = start_in_space(runner, ret_reason);
        if (r != -ENOEXEC || runner->space.tree < 0 || !runner->space.place)
                return r;
        builderspace_done(&runner->space);
        r = do_without_learner(runner, "mount namespace of its own", -EPERM);
        return r < 0 ? r : start_in_space(runner, ret_reason);
}

static int run_to_end(Runner *runner, RunnerOutcome *ret, char **ret_reason) {
        const RunnerJob *job = runner->job;
        const char *what = NULL;
        int r = prepare_space(runner, &what);
        if (r < 0) {
                *ret = RUNNER_FAILED;
                (void) failure_errno(ret_reason, r, "builder %s: %s", job->program.name, what);
                return r == -ENOMEM ? r : 0;
        }
        r = start_in_space_or_without(runner, ret_reason);
        if (r == -ENOEXEC) {
                *ret = RUNNER_FAILED;
                return 0;
        }
        if (r < 0)
                return r;
        if (job->timeout_usec != USEC_INFINITY)
                runner->deadline = now_usec() + job->timeout_usec;
        if (job->beat)
                runner->beat = now_usec() + PROGRESS_BEAT_USEC;
        runner->activity.since_usec = now_usec();
        return follow_to_end(runner, ret, ret_reason);
}

static Runner *runner_free(Runner *runner) {
        (void) learner_free(runner->learner);
        (void) lookups_free(runner->lookups);
        builderspace_done(&runner->space);
        spawn_done(&runner->spawn);
        free(runner);
        return NULL;
}
DEFINE_CLEANUP(Runner *, runner_free);

int runner_run(const RunnerJob *job, RunnerOutcome *ret, char **ret_reason) {
        assert(job && job->line && ret && ret_reason);
        _cleanup_(runner_freep) Runner *runner = calloc(1, sizeof(*runner));
        if (!runner)
                return error_origin(-ENOMEM);
        *runner = (Runner){
                .job = job,
                .space = BUILDER_SPACE_NULL,
                .spawn = SPAWN_NULL,
                .output = {.line = job->line, .userdata = job->userdata},
                .deadline = USEC_INFINITY,
                .beat = USEC_INFINITY,
        };
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        if (job->trace) {
                job->trace->clock = clockset_now();
                (void) clock_gettime(CLOCK_REALTIME_COARSE, &job->trace->began);
        }
        int r = run_to_end(runner, ret, ret_reason);
        if (job->trace)
                trace_finish(job->trace);
        return r;
}
