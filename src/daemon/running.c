/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/running.h"

#include <signal.h>
#include <sys/epoll.h>

#include "base/error.h"

void running_done(Running *r) {
        r->output = sd_event_source_disable_unref(r->output);
        r->exit = sd_event_source_disable_unref(r->exit);
        r->job = job_free(r->job);
        r->report = report_free(r->report);
        r->garbled = false;
        r->lines = 0;
}

/* No child has more to say. */
#define LINES_MAX (1U << 20)
/* In turn with the bus, behind all else: one that talks without end holds up nothing. Its exit does not wait
 * for that, for what is left is read then. */
#define OUTPUT_PRIORITY (SD_EVENT_PRIORITY_IDLE + 10)

static void take_line(const char *line, void *userdata) {
        Running *running = userdata;
        if (running->lines++ > LINES_MAX || report_parse_line(running->report, line) < 0)
                running->garbled = true;
}

int running_read(Running *r) {
        int e = job_read(r->job, take_line, r);
        r->garbled = r->garbled || job_was_cut(r->job);
        if (e != 0)
                r->output = sd_event_source_disable_unref(r->output);
        return e;
}

int running_listen(Running *running, sd_event *event, Job *job, sd_event_io_handler_t output,
                   sd_event_io_handler_t end, void *userdata) {
        running->job = job;
        running->report = report_new();
        int e = running->report ? 0 : error_origin(-ENOMEM);
        if (e >= 0)
                e = sd_event_add_io(event, &running->output, job_get_output_fd(job), EPOLLIN, output,
                                    userdata);
        if (e >= 0)
                e = sd_event_add_io(event, &running->exit, job_get_process_fd(job), EPOLLIN, end, userdata);
        if (e >= 0)
                e = sd_event_source_set_priority(running->output, OUTPUT_PRIORITY);
        if (e >= 0)
                e = sd_event_source_set_priority(running->exit, SD_EVENT_PRIORITY_NORMAL + 10);
        if (e < 0) {
                (void) job_kill(job, SIGKILL);
                running_done(running);
        }
        return e;
}

int running_conclude(Running *running, const char *program, char **ret_problem) {
        int status = 0;
        (void) job_read_rest(running->job, take_line, running);
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
