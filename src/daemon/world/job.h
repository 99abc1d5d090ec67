/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One child process: bootkeep-scan or bootkeep-build. Its stdout is read line by line, its stderr is ours
 * (the journal). It knows neither volumes nor the event loop: it hands out two descriptors, and the caller
 * says when they are ready. */

#include "base/util.h"

typedef struct Job Job;

/* Starts ARGV[0] in a process group of its own, with a clean signal state and stdin from /dev/null. INHERIT
 * (>= 0) is the child's descriptor 3 (JOB_INHERITED_FD). Negative errno where it cannot be started, -ENOENT
 * and -EACCES included. */
#define JOB_INHERITED_FD 3
int job_start(char *const *argv, int inherit, Job **ret);

/* Frees J; a child that is still running is left to itself. */
Job *job_free(Job *j);
DEFINE_CLEANUP(Job *, job_free);

/* Readable when it has exited. */
int job_get_process_fd(const Job *j);
/* Readable when it has printed something, or closed its stdout. Stays open until job_free(): polling must
 * stop before, as another child that is just being started may hold a copy, which keeps it in an epoll. */
int job_get_output_fd(const Job *j);

typedef void (*job_line_t)(const char *line, void *userdata);

/* Reads what is there and calls LINE for each line; a line longer than REPORT_LINE_MAX is dropped. 1 at the
 * end of its output, 0, negative errno. */
int job_read(Job *j, job_line_t line, void *userdata);

/* The same once it has exited: everything that it left, within limits. */
int job_read_rest(Job *j, job_line_t line, void *userdata);

/* Was a line dropped? None of our programs prints one that long. */
bool job_was_cut(const Job *j);

/* Once its process descriptor is readable: *RET is its exit status, or 128 + the signal that ended it. */
int job_reap(Job *j, int *ret);

/* Sends SIGNAL to it and to everything in its process group. -ESRCH: it was reaped. */
int job_kill(Job *j, int signal);
pid_t job_get_pid(const Job *j);
