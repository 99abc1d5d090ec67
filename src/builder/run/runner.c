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
#include "builder/run/descendants.h"
#include "builder/run/linecutter.h"
#include "builder/run/usage.h"

#define STOP_USEC (5 * USEC_PER_SEC)

typedef enum Phase {
        PHASE_RUNNING,
        PHASE_TERMINATING, /* SIGTERM sent */
        PHASE_KILLING,     /* SIGKILL sent */
        PHASE_LOST,        /* does not even die */
} Phase;

typedef struct Runner {
        const RunnerJob *job;
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

/* Until the builder's own process has exited, or cannot be killed. */
static int wait_until_end(Runner *runner) {
        enum { END, OUTPUT, INTERRUPT };
        struct pollfd p[] = {
                [END] = {.fd = runner->spawn.pidfd, .events = POLLIN},
                [OUTPUT] = {.fd = runner->spawn.output_fd, .events = POLLIN},
                [INTERRUPT] = {.fd = interrupt_get_fd(runner->job->interrupt), .events = POLLIN},
        };
        while (runner->phase != PHASE_LOST) {
                bool end = false;
                if (poll(p, ELEMENTSOF(p), poll_timeout(MIN(runner->deadline, runner->beat))) < 0 &&
                    errno != EINTR)
                        return error_origin(-errno);
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

static int follow_to_end(Runner *runner, RunnerOutcome *ret, char **ret_reason) {
        siginfo_t info = {};
        int r = wait_until_end(runner);
        if (r < 0)
                kill_group(runner, SIGKILL);
        assert(runner->spawn.pidfd >= 0 && runner->spawn.output_fd >= 0);
        if (runner->phase != PHASE_LOST)
                (void) waitid(P_PIDFD, (id_t) runner->spawn.pidfd, &info, WEXITED);
        reap_descendants(runner);
        drain_output(runner);
        if (r < 0)
                return r;
        *ret = judge_end(runner, &info, ret_reason);
        return 0;
}

int runner_run(const RunnerJob *job, RunnerOutcome *ret, char **ret_reason) {
        assert(job && job->line && ret && ret_reason);
        _cleanup_(spawn_done) Spawn spawn = SPAWN_NULL;
        _cleanup_free_ Runner *runner = calloc(1, sizeof(*runner));
        if (!runner)
                return error_origin(-ENOMEM);
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        int r = spawn_start(&job->program, &spawn, ret_reason);
        if (r == -ENOEXEC) {
                *ret = RUNNER_FAILED;
                return 0;
        }
        if (r < 0)
                return r;
        *runner = (Runner){
                .job = job,
                .spawn = spawn,
                .output = {.line = job->line, .userdata = job->userdata},
                .deadline =
                        job->timeout_usec == USEC_INFINITY ? USEC_INFINITY : now_usec() + job->timeout_usec,
                .beat = job->beat ? now_usec() + PROGRESS_BEAT_USEC : USEC_INFINITY,
                .activity = {.since_usec = now_usec()},
        };
        return follow_to_end(runner, ret, ret_reason);
}
