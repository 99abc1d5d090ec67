/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flush/leftovers.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"

/* More than the unit's TimeoutStopSec=, after which they are killed. */
#define PATIENCE_SEC 45

/* Returns false if it did not end in time. */
static bool await_systemctl(pid_t pid) {
        struct pollfd ended = {.fd = (int) syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
        bool in_time = ended.fd >= 0 && poll(&ended, 1, PATIENCE_SEC * 1000) > 0;
        closep(&ended.fd);
        if (!in_time)
                (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        return in_time;
}

/* With the job mode of any other stop systemd would refuse while it goes down. Where no such unit is loaded
 * this does nothing. */
void leftovers_stop(void) {
        char *const argv[] = {(char *) "systemctl",
                              (char *) "--no-ask-password",
                              (char *) "--job-mode=ignore-dependencies",
                              (char *) "stop",
                              (char *) "bootkeep-build@*.service",
                              (char *) "bootkeep-builder@*.service",
                              NULL};
        pid_t pid = 0;
        (void) sd_notifyf(false, "EXTEND_TIMEOUT_USEC=%" PRIu64, (PATIENCE_SEC + 15) * USEC_PER_SEC);
        int r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
        if (r != 0)
                log_debug("Failed to run systemctl: %s", strerror(r)); /* without systemd there are none */
        else if (!await_systemctl(pid))
                log_warning("Builds that did not end in time could not be stopped");
}
