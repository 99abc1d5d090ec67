/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/running.h"

#include <signal.h>
#include <sys/epoll.h>

#include "base/error.h"

void running_done(Running *running) {
        running->output = sd_event_source_disable_unref(running->output);
        running->exit = sd_event_source_disable_unref(running->exit);
        running->job = job_free(running->job);
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

int running_read(Running *running) {
        assert(running->job && running->report);
        int r = job_read(running->job, take_report_line, running);
        running->garbled = running->garbled || job_was_cut(running->job);
        if (r != 0)
                running->output = sd_event_source_disable_unref(running->output);
        return r;
}

static int add_sources(Running *running, sd_event *event, const RunningHandlers *handlers) {
        const Job *job = running->job;
        int r = sd_event_add_io(event, &running->output, job_get_output_fd(job), EPOLLIN, handlers->output,
                                handlers->userdata);
        if (r >= 0)
                r = sd_event_add_io(event, &running->exit, job_get_process_fd(job), EPOLLIN, handlers->end,
                                    handlers->userdata);
        if (r >= 0)
                r = sd_event_source_set_priority(running->output, OUTPUT_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_priority(running->exit, EXIT_PRIORITY);
        return r;
}

int running_listen(Running *running, sd_event *event, Job *job, const RunningHandlers *handlers) {
        assert(job && !running->job); /* one at a time */
        running->job = job;
        running->report = report_new();
        int r = running->report ? add_sources(running, event, handlers) : error_origin(-ENOMEM);
        if (r < 0) {
                (void) job_kill(job, SIGKILL);
                running_done(running);
        }
        return r;
}

int running_conclude(Running *running, const char *program, char **ret_problem) {
        int status = 0;
        assert(running->job && running->report);
        (void) job_read_rest(running->job, take_report_line, running);
        running->garbled = running->garbled || job_was_cut(running->job);
        int r = job_reap(running->job, &status);
        const char *reason = running->report->reason;
        if (r >= 0 && running->garbled)
                r = -EBADMSG;
        if (!isempty(reason))
                (void) free_and_strdup(ret_problem, reason);
        else if (r >= 0 && status > 128)
                (void) strprintf(ret_problem, "%s was terminated by signal %i (%s)", program, status - 128,
                                 strsignal(status - 128));
        else if (r < 0)
                (void) strprintf(ret_problem, "%s: %s", program, strerror(-r));
        else if (status != 0)
                (void) strprintf(ret_problem, "%s exited with status %i", program, status);
        return r < 0 ? r : status;
}
