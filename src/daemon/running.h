/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A child of the daemon, or a build that systemd runs, with its event sources and what it has reported so
 * far. */

#include <systemd/sd-event.h>

#include "base/report.h"
#include "daemon/world/job.h"
#include "daemon/world/unitjob.h"

typedef struct Running {
        Job *job;      /* the child, … */
        UnitJob *unit; /* … or the unit: one of them, or neither */
        sd_event_source *output, *exit;
        Report *report;
        bool garbled;   /* it printed something that is not a record, or without end */
        unsigned lines; /* so far */
} Running;

bool running_runs(const Running *running);
/* Sends SIGNAL to it. */
void running_kill(const Running *running, int signal);
/* Of its main process; 0: it has none, yet or any more. */
pid_t running_get_pid(const Running *running);

/* Leaves it empty, ready for another child. One still running is left to itself. */
void running_done(Running *running);

typedef struct RunningHandlers {
        sd_event_io_handler_t output; /* there is something for running_read() */
        sd_event_io_handler_t end;    /* after all of it: for running_conclude() */
        void *userdata;
} RunningHandlers;

/* Listens to JOB and takes it over in any case (on failure it is killed). */
int running_listen(Running *running, sd_event *event, Job *job, const RunningHandlers *handlers);
int running_listen_unit(Running *running, sd_event *event, UnitJob *unit, const RunningHandlers *handlers);
/* Has it started by BUS, before. If that fails, nothing is left of it. */
typedef struct RunningStart {
        sd_event *event;
        sd_bus *bus; /* NULL: -ENOTCONN */
} RunningStart;
int running_start_unit(Running *running, RunningStart with, UnitJob *unit, const RunningHandlers *handlers);

/* Has it ended? Asked when its end is announced: a unit may only seem to have. */
bool running_has_ended(Running *running);
/* If it only seems to have: has systemd asked, by BUS or NULL, how a unit ended whose process is gone. */
void running_inquire(const Running *running, sd_bus *bus);
/* Why it was never started, once it has ended; NULL: it was. */
const char *running_get_refusal(const Running *running);
/* Was systemd not reached? Then this is nobody's failure. */
bool running_was_unreached(const Running *running);

/* Reads what it printed. 1: end of output, which is no longer listened to; 0; negative errno likewise. */
int running_read(Running *running);

/* Reads the rest and returns how it ended: its exit status (128 + signal), -EBADMSG: it printed something
 * that is not a record, other negative errno. Unless it succeeded, *RET_PROBLEM says why, in its own words if
 * it gave any. */
int running_conclude(Running *running, const char *program, char **ret_problem);
