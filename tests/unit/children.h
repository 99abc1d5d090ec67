/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Children of a real loop. */

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#include "daemon/world/job.h"
#include "fixture.h"

static inline Job *sh(const char *script) {
        char *argv[] = {(char *) "/bin/sh", (char *) "-c", (char *) (uintptr_t) script, NULL};
        Job *j = NULL;
        assert_int_equal(job_start(argv, -EBADF, &j), 0);
        return j;
}

static inline bool is_readable(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_true(poll(&p, 1, 0) >= 0);
        return p.revents & (POLLIN | POLLHUP);
}

static inline void await_readable(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 60000), 1);
}

/* Runs EVENT until CONDITION is true. */
#define run_until(event, condition)                                                                          \
        do {                                                                                                 \
                uint64_t _end = now_usec() + 60 * USEC_PER_SEC;                                              \
                while (!(condition)) {                                                                       \
                        assert_true(now_usec() < _end);                                                      \
                        assert_true(sd_event_run(event, USEC_PER_SEC) >= 0);                                 \
                }                                                                                            \
        } while (false)

/* Neither one that runs nor one that nobody has waited for. */
static inline void assert_no_children(void) {
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}
