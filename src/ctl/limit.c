/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/limit.h"

#include <signal.h>
#include <sys/time.h>

#include "base/error.h"
#include "bootkeep.h"

static void end_with_success(int signal) {
        _exit(EXIT_SUCCESS);
}

static void end_unreachable(int signal) {
        _exit(BOOTKEEP_CTL_UNREACHABLE);
}

int limit_set(uint64_t usec, int status) {
        assert(status == EXIT_SUCCESS || status == BOOTKEEP_CTL_UNREACHABLE);
        struct sigaction action = {
                .sa_handler = status == EXIT_SUCCESS ? end_with_success : end_unreachable,
        };
        usec = MAX(MIN(usec, UINT32_MAX * USEC_PER_SEC), UINT64_C(1));
        struct itimerval timer = {.it_value = {.tv_sec = (time_t) (usec / USEC_PER_SEC),
                                               .tv_usec = (suseconds_t) (usec % USEC_PER_SEC)}};
        sigset_t alarm_only;
        sigemptyset(&action.sa_mask);
        sigemptyset(&alarm_only);
        sigaddset(&alarm_only, SIGALRM);
        if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &timer, NULL) < 0 ||
            sigprocmask(SIG_UNBLOCK, &alarm_only, NULL) < 0)
                return error_origin(-errno);
        return 0;
}
