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
#include "builder/run/spawn.h"

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
        bool timed_out, interrupted;
} Runner;

static void kill_group(const Runner *r, int sig) {
        (void) kill(-r->spawn.pid, sig);
        (void) kill(r->spawn.pid, sig); /* it may not have its session yet */
}

static void advance_phase(Runner *r) {
        static const int signals[] = {[PHASE_RUNNING] = SIGTERM,
                                      [PHASE_TERMINATING] = SIGKILL,
                                      [PHASE_KILLING] = 0,
                                      [PHASE_LOST] = 0};

        if (signals[r->phase] != 0)
                kill_group(r, signals[r->phase]);
        if (r->phase != PHASE_LOST)
                r->phase++;
        r->deadline = now_usec() + STOP_USEC;
}

/* Reads what there is, once: a builder that prints without end must not keep us from checking the clock.
 * False: nothing more (now). */
static bool read_output(Runner *r, bool *ret_end) {
        char buffer[16384];
        ssize_t n = read(r->spawn.output_fd, buffer, sizeof(buffer));

        *ret_end = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
        if (n > 0)
                linecutter_feed(&r->output, buffer, (size_t) n);
        return n > 0;
}

/* The rest in the pipe; a writer that cannot be killed does not block us. */
static void drain_output(Runner *r) {
        bool end;

        for (unsigned i = 0; i < 64 && read_output(r, &end); i++)
                ;
        linecutter_finish(&r->output);
}

static int poll_timeout(uint64_t deadline) {
        uint64_t now = now_usec(), msec;

        if (deadline == USEC_INFINITY)
                return -1;
        if (deadline <= now)
                return 0;
        msec = (deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
        return msec > INT32_MAX ? INT32_MAX : (int) msec;
}

static void heed_interrupt(Runner *r) {
        if (!interrupt_check(r->job->interrupt))
                return;
        r->interrupted = true;
        if (r->phase == PHASE_RUNNING)
                advance_phase(r);
}

static void heed_deadline(Runner *r) {
        if (now_usec() < r->deadline)
                return;
        if (r->phase == PHASE_RUNNING)
                r->timed_out = true;
        advance_phase(r);
}

static void give_beat(Runner *r) {
        if (!r->job->runs || now_usec() < r->beat)
                return;
        r->beat = now_usec() + PROGRESS_BEAT_USEC;
        r->job->runs(r->job->userdata);
}

/* Until the builder's own process has exited, or cannot be killed. */
static int wait_until_end(Runner *r) {
        enum { END, OUTPUT, INTERRUPT };
        struct pollfd p[] = {
                [END] = {.fd = r->spawn.pidfd, .events = POLLIN},
                [OUTPUT] = {.fd = r->spawn.output_fd, .events = POLLIN},
                [INTERRUPT] = {.fd = interrupt_get_fd(r->job->interrupt), .events = POLLIN},
        };

        while (r->phase != PHASE_LOST) {
                bool end = false;
                if (poll(p, ELEMENTSOF(p), poll_timeout(MIN(r->deadline, r->beat))) < 0 && errno != EINTR)
                        return error_origin(-errno);
                if (p[OUTPUT].revents)
                        (void) read_output(r, &end);
                if (end)
                        p[OUTPUT].fd = -EBADF;
                if (p[INTERRUPT].revents) {
                        heed_interrupt(r);
                        p[INTERRUPT].fd = r->interrupted ? -EBADF : p[INTERRUPT].fd;
                }
                if (p[END].revents)
                        return 0;
                heed_deadline(r);
                give_beat(r);
        }
        return 0;
}

/* As the subreaper we inherit all orphans. */
static void reap_descendants(const Runner *r) {
        unsigned n = descendants_kill(now_usec() + STOP_USEC);

        if (n > 0)
                log_warning("Builder %s left %u processes behind: killed", r->job->name, n);
}

static RunnerOutcome judge_exit(const RunnerJob *job, int status, char **ret_reason) {
        if (status == EXIT_SUCCESS)
                return RUNNER_SUCCESS;
        if (status == BOOTKEEP_BUILD_TEMPFAIL) {
                (void) failure(ret_reason, 0, "builder %s asked to be run later (exit status 75)", job->name);
                return RUNNER_NOT_NOW;
        }
        (void) failure(ret_reason, 0, "builder %s exited with status %i", job->name, status);
        return RUNNER_FAILED;
}

static RunnerOutcome judge_end(const Runner *r, const siginfo_t *info, char **ret_reason) {
        const RunnerJob *job = r->job;

        if (r->interrupted) {
                (void) failure(ret_reason, 0, "interrupted");
                return RUNNER_INTERRUPTED;
        }
        if (r->phase == PHASE_LOST)
                (void) failure(ret_reason, 0, "builder %s hangs and cannot be killed", job->name);
        else if (r->timed_out)
                (void) failure(ret_reason, 0, "builder %s did not finish within %llu s and was stopped",
                               job->name, (unsigned long long) (job->timeout_usec / USEC_PER_SEC));
        else if (info->si_code == CLD_EXITED)
                return judge_exit(job, info->si_status, ret_reason);
        else
                (void) failure(ret_reason, 0, "builder %s was killed by SIG%s", job->name,
                               strempty(sigabbrev_np(info->si_status)));
        return RUNNER_FAILED;
}

static int follow_to_end(Runner *r, RunnerOutcome *ret, char **ret_reason) {
        siginfo_t info = {};
        int e = wait_until_end(r);

        if (e < 0)
                kill_group(r, SIGKILL);
        if (r->phase != PHASE_LOST)
                (void) waitid(P_PIDFD, (id_t) r->spawn.pidfd, &info, WEXITED);
        reap_descendants(r);
        drain_output(r);
        if (e < 0)
                return e;
        *ret = judge_end(r, &info, ret_reason);
        return 0;
}

int runner_run(const RunnerJob *job, RunnerOutcome *ret, char **ret_reason) {
        _cleanup_(spawn_done) Spawn spawn = SPAWN_NULL;
        _cleanup_free_ Runner *r = calloc(1, sizeof(*r));
        int e;

        if (!r)
                return error_origin(-ENOMEM);
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        e = spawn_start(job, &spawn, ret_reason);
        if (e == -ENOEXEC) {
                *ret = RUNNER_FAILED;
                return 0;
        }
        if (e < 0)
                return e;
        *r = (Runner){
                .job = job,
                .spawn = spawn,
                .output = {.line = job->line, .userdata = job->userdata},
                .deadline =
                        job->timeout_usec == USEC_INFINITY ? USEC_INFINITY : now_usec() + job->timeout_usec,
                .beat = job->runs ? now_usec() + PROGRESS_BEAT_USEC : USEC_INFINITY,
        };
        return follow_to_end(r, ret, ret_reason);
}
