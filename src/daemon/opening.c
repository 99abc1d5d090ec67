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
        if (*o->request.scan)
                (void) job_kill(*o->request.scan, SIGKILL);
}

static int on_opening_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Opening *o = userdata;
        (void) running_read(&o->running);
        return 0;
}

static int on_opening_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata);

static LaunchBuild what_to_open(const Opening *o) {
        return (LaunchBuild){
                .volume = o->request.volume,
                .mount_point = o->request.mount_point,
                .mount_id = o->request.mount_id,
                .inquiry = o->request.inquiry,
        };
}

static int open_by_child(Opening *o) {
        const LaunchBuild build = what_to_open(o);
        Job *job = NULL;
        int r = launch_opening(o->request.launch, &build, &job);
        return r < 0 ? r
                     : running_listen(&o->running, o->request.event, job,
                                      &(RunningHandlers){on_opening_output, on_opening_exit, o});
}

static int open_by_unit(Opening *o) {
        const LaunchBuild build = what_to_open(o);
        UnitJob *unit = NULL;
        int r = launch_opening_in_unit(o->request.launch, &build, &unit);
        if (r < 0)
                return r;
        return running_start_unit(&o->running, (RunningStart){o->request.event, o->request.bus}, unit,
                                  &(RunningHandlers){on_opening_output, on_opening_exit, o});
}

static void start_opening(Opening *o) {
        o->served = true;
        int r = open_by_unit(o);
        if (r < 0 && !o->request.launch->apart)
                r = open_by_child(o);
        if (r < 0)
                give_up_scan(o, strerror(-r));
}

/* systemd did not run it. */
static bool open_by_child_instead(Opening *o) {
        if (!running_get_refusal(&o->running))
                return false;
        bool wanted = o->request.scan && o->served;
        if (wanted && o->request.launch->apart)
                give_up_scan(o, running_get_refusal(&o->running));
        (void) unitjob_conclude(o->running.unit);
        running_done(&o->running);
        int r = wanted && !o->request.launch->apart ? open_by_child(o) : 0;
        if (r < 0)
                give_up_scan(o, strerror(-r));
        return o->served;
}

/* With success the scan has its answer, whatever that is. */
static int on_opening_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Opening *o = userdata;
        _cleanup_free_ char *problem = NULL;
        if (!running_has_ended(&o->running)) {
                running_inquire(&o->running, o->request.bus);
                return 0;
        }
        if (open_by_child_instead(o))
                return 0;
        int status = o->running.job || o->running.unit
                             ? running_conclude(&o->running, "bootkeep-build", &problem)
                             : 0;
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
        assert(o && request && request->scan);
        if (o->request.scan)
                return;
        o->request = *request;
        int r = free_and_strdup(&o->mount_point, request->mount_point);
        o->request.mount_point = o->mount_point;
        if (r < 0)
                give_up_scan(o, strerror(ENOMEM));
        else if (!running_runs(&o->running))
                start_opening(o);
}

void opening_end(Opening *o) {
        running_kill(&o->running, SIGKILL);
        o->request = (OpeningRequest){};
        o->served = false;
}
