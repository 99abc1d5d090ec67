/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/opening.h"

#include <signal.h>

#include "base/log.h"

void opening_done(Opening *o) {
        running_done(&o->running);
        free(o->mount_point);
        *o = (Opening){};
}

static void give_up_scan(const Opening *o, const char *problem) {
        const LogFields fields = {.volume = o->request.volume};
        log_send(LOG_WARNING, &fields, "cannot look below what is mounted over the stamps: %s", problem);
        if (o->request.scan->job)
                (void) job_kill(o->request.scan->job, SIGKILL);
}

static int on_opening_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Opening *o = userdata;
        (void) running_read(&o->running);
        return 0;
}

static int on_opening_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata);

static void start_opening(Opening *o) {
        const OpeningRequest *request = &o->request;
        Job *job = NULL;
        o->served = true;
        int r = launch_opening(request->launch, request->mount_point, request->mount_id, &job);
        if (r >= 0)
                r = running_listen(&o->running, request->event, job,
                                   &(RunningHandlers){on_opening_output, on_opening_exit, o});
        if (r < 0)
                give_up_scan(o, strerror(-r));
}

/* With success the scan has its answer, whatever that is. */
static int on_opening_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Opening *o = userdata;
        _cleanup_free_ char *problem = NULL;
        int status = running_conclude(&o->running, "bootkeep-build", &problem);
        running_done(&o->running);
        if (!o->request.scan)
                return 0;
        if (!o->served) /* it was that of the scan before */
                start_opening(o);
        else if (status != 0)
                give_up_scan(o, strempty(problem));
        return 0;
}

void opening_follow(Opening *o, const OpeningRequest *request) {
        assert(request->scan->report);
        if (!request->scan->report->uncover || o->request.scan)
                return;
        o->request = *request;
        int r = free_and_strdup(&o->mount_point, request->mount_point);
        o->request.mount_point = o->mount_point;
        if (r < 0)
                give_up_scan(o, strerror(ENOMEM));
        else if (!o->running.job)
                start_opening(o);
}

void opening_end(Opening *o) {
        if (o->running.job)
                (void) job_kill(o->running.job, SIGKILL);
        o->request = (OpeningRequest){};
        o->served = false;
}
