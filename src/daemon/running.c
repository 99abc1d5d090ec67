/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/running.h"

#include <signal.h>
#include <sys/epoll.h>

#include "base/error.h"
#include "base/log.h"

void running_done(Running *running) {
        running->output = sd_event_source_disable_unref(running->output);
        running->exit = sd_event_source_disable_unref(running->exit);
        running->job = job_free(running->job);
        running->unit = unitjob_free(running->unit);
        running->report = report_free(running->report);
        running->garbled = false;
        running->lines = 0;
}

/* No child prints more than this. */
#define LINES_MAX (1U << 20)
/* At the same priority as the bus, after everything else, so that one that prints without end holds up
 * nothing. Its exit does not wait for that, since the rest is read then. */
#define OUTPUT_PRIORITY (SD_EVENT_PRIORITY_IDLE + 10)
#define EXIT_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

static void take_report_line(const char *line, void *userdata) {
        Running *running = userdata;
        if (running->garbled)
                return;
        if (running->lines++ >= LINES_MAX || report_parse_line(running->report, line) < 0)
                running->garbled = true;
}

bool running_runs(const Running *running) {
        return running->job || running->unit;
}

void running_kill(const Running *running, int signal) {
        if (running->job)
                (void) job_kill(running->job, signal);
        if (running->unit)
                (void) unitjob_kill(running->unit, signal);
}

pid_t running_get_pid(const Running *running) {
        return running->job ? job_get_pid(running->job) : running->unit ? unitjob_get_pid(running->unit) : 0;
}

static void note_cut(Running *running) {
        if (running->unit ? unitjob_was_cut(running->unit) : job_was_cut(running->job))
                running->garbled = true;
}

int running_read(Running *running) {
        assert(running_runs(running) && running->report);
        int r = running->unit ? unitjob_read(running->unit, take_report_line, running)
                              : job_read(running->job, take_report_line, running);
        note_cut(running);
        if (r != 0)
                running->output = sd_event_source_disable_unref(running->output);
        return r;
}

/* What becomes readable with output, and with the end. */
typedef struct RunningFds {
        int output, end;
} RunningFds;

static int add_sources(Running *running, sd_event *event, RunningFds fds, const RunningHandlers *handlers) {
        int r = sd_event_add_io(event, &running->output, fds.output, EPOLLIN, handlers->output,
                                handlers->userdata);
        if (r >= 0)
                r = sd_event_add_io(event, &running->exit, fds.end, EPOLLIN, handlers->end,
                                    handlers->userdata);
        if (r >= 0)
                r = sd_event_source_set_priority(running->output, OUTPUT_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_priority(running->exit, EXIT_PRIORITY);
        return r;
}

static int begin_listening(Running *running, sd_event *event, RunningFds fds,
                           const RunningHandlers *handlers) {
        running->report = report_new();
        int r = running->report ? add_sources(running, event, fds, handlers) : error_origin(-ENOMEM);
        if (r < 0) {
                running_kill(running, SIGKILL);
                running_done(running);
        }
        return r;
}

int running_listen(Running *running, sd_event *event, Job *job, const RunningHandlers *handlers) {
        assert(job && !running_runs(running)); /* one at a time */
        running->job = job;
        return begin_listening(running, event, (RunningFds){job_get_output_fd(job), job_get_process_fd(job)},
                               handlers);
}

int running_listen_unit(Running *running, sd_event *event, UnitJob *unit, const RunningHandlers *handlers) {
        assert(unit && !running_runs(running));
        running->unit = unit;
        return begin_listening(running, event,
                               (RunningFds){unitjob_get_output_fd(unit), unitjob_get_process_fd(unit)},
                               handlers);
}

int running_start_unit(Running *running, RunningStart with, UnitJob *unit, const RunningHandlers *handlers) {
        int r = unitjob_start(unit, with.bus);
        if (r >= 0)
                return running_listen_unit(running, with.event, unit, handlers);
        (void) unitjob_conclude(unit);
        unitjob_free(unit);
        return r;
}

bool running_has_ended(Running *running) {
        return running->unit ? unitjob_has_ended(running->unit) : running->job != NULL;
}

void running_inquire(const Running *running, sd_bus *bus) {
        int r = running->unit ? unitjob_inquire(running->unit, bus) : 0;
        if (r < 0)
                log_send_errno(LOG_DEBUG, NULL, r, "Failed to ask systemd how a build ended");
}

const char *running_get_refusal(const Running *running) {
        return running->unit ? unitjob_get_refusal(running->unit) : NULL;
}

bool running_was_unreached(const Running *running) {
        return running->unit && unitjob_was_unreached(running->unit);
}

/* The exit status, or negative errno. *RET_WHY: static, who ended it; NULL: it did, or a signal. */
static int reap_it(Running *running, const char **ret_why) {
        int status = 0, r = 0;
        *ret_why = NULL;
        if (running->unit) {
                (void) unitjob_read(running->unit, take_report_line, running);
                UnitEnd end = unitjob_conclude(running->unit);
                *ret_why = end.why;
                status = end.status;
        } else {
                (void) job_read_rest(running->job, take_report_line, running);
                r = job_reap(running->job, &status);
        }
        note_cut(running);
        return r < 0 ? r : status;
}

int running_conclude(Running *running, const char *program, char **ret_problem) {
        assert(running_runs(running) && running->report);
        const char *why, *reason;
        int r = reap_it(running, &why);
        if (r >= 0 && running->garbled)
                r = -EBADMSG;
        reason = running->report->reason;
        if (!isempty(reason))
                (void) free_and_strdup(ret_problem, reason);
        else if (r >= 0 && why)
                (void) strprintf(ret_problem, "%s %s", program, why);
        else if (r > 128)
                (void) strprintf(ret_problem, "%s was terminated by signal %i (%s)", program, r - 128,
                                 strsignal(r - 128));
        else if (r < 0)
                (void) strprintf(ret_problem, "%s: %s", program, strerror(-r));
        else if (r != 0)
                (void) strprintf(ret_problem, "%s exited with status %i", program, r);
        return r;
}
