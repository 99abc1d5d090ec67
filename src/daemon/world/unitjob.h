/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One bootkeep-build that systemd runs in a unit of its own: like world/job, but not a child. It is known by
 * its folder below /run (base/buildfolder.h), so it is found again by a daemon that was restarted. systemd
 * starts it and tells it, through ExecStopPost= or because it is asked, how it ended; nothing here waits. */

#include <systemd/sd-bus.h>

#include "base/util.h"
#include "daemon/core/unitend.h"

typedef struct UnitJob UnitJob;

/* Makes the folder of a build of VOLUME below PLACE, with its arguments ARGV. -EBUSY: one still runs there;
 * -ENAMETOOLONG: no unit can have this name. */
int unitjob_new(const char *place, const char *volume, char *const *argv, UnitJob **ret);

/* A build of VOLUME that runs, or has ended since and was not concluded. -ENOENT: there is none. */
int unitjob_find(const char *place, const char *volume, UnitJob **ret);

/* Has systemd start it. BUS NULL: -ENOTCONN. */
int unitjob_start(UnitJob *u, sd_bus *bus);

/* Leaves the build alone. */
UnitJob *unitjob_free(UnitJob *u);
DEFINE_CLEANUP(UnitJob *, unitjob_free);

/* Readable when unitjob_has_ended() may say something new, and when there may be more to read. */
int unitjob_get_process_fd(const UnitJob *u);
int unitjob_get_output_fd(const UnitJob *u);

/* Reads all that was printed so far, as job_read(). 0 or negative errno: there is no more to come. */
int unitjob_read(UnitJob *u, void (*line)(const char *line, void *userdata), void *userdata);
bool unitjob_was_cut(const UnitJob *u);

/* Has it ended, or was it never started? */
bool unitjob_has_ended(UnitJob *u);
/* Does nothing run, though nobody said so? */
bool unitjob_is_lost(const UnitJob *u);
/* Has systemd asked how it ended, if it is lost: an ExecStopPost= may have been killed as well. What it says
 * is an end like any other. */
int unitjob_inquire(UnitJob *u, sd_bus *bus);
/* Why it was never started; NULL: it was. Once it has ended. */
const char *unitjob_get_refusal(const UnitJob *u);
/* Was it not, because systemd was not reached? */
bool unitjob_was_unreached(const UnitJob *u);
/* How it ended; its folder is removed. Borrows nothing. */
UnitEnd unitjob_conclude(UnitJob *u);

/* Sends SIGNAL to bootkeep-build; where it does not run yet, it will not. */
int unitjob_kill(const UnitJob *u, int signal);
/* 0: it does not run. */
pid_t unitjob_get_pid(const UnitJob *u);
/* CLOCK_REALTIME, in microseconds. */
uint64_t unitjob_get_start(const UnitJob *u);
