/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A child of the daemon, with its event sources and what it has reported so far. */

#include <systemd/sd-event.h>

#include "base/report.h"
#include "daemon/world/job.h"

typedef struct Running {
        Job *job; /* NULL: none runs */
        sd_event_source *output, *exit;
        Report *report;
        bool garbled;   /* it printed something that is not a record, or without end */
        unsigned lines; /* so far */
} Running;

/* Leaves it empty, ready for another child. One still running is left to itself. */
void running_done(Running *running);

typedef struct RunningHandlers {
        sd_event_io_handler_t output; /* there is something for running_read() */
        sd_event_io_handler_t end;    /* after all of it: for running_conclude() */
        void *userdata;
} RunningHandlers;

/* Listens to JOB and takes it over in any case (on failure it is killed). */
int running_listen(Running *running, sd_event *event, Job *job, const RunningHandlers *handlers);

/* Reads what it printed. 1: end of output, which is no longer listened to; 0; negative errno likewise. */
int running_read(Running *running);

/* Reads the rest and returns how it ended: its exit status (128 + signal), -EBADMSG: it printed something
 * that is not a record, other negative errno. Unless it succeeded, *RET_PROBLEM says why, in its own words if
 * it gave any. */
int running_conclude(Running *running, const char *program, char **ret_problem);
