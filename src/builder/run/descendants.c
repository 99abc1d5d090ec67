/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/descendants.h"

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/parse.h"

/* Returns their number and the first of them. */
static unsigned kill_children(pid_t *ret_first) {
        _cleanup_fclose_ FILE *f = fopen("/proc/thread-self/children", "re");
        _cleanup_free_ char *word = NULL;
        size_t room = 0;
        unsigned n = 0, pid;
        for (ssize_t size; f && (size = getdelim(&word, &room, ' ', f)) > 0;) {
                word[size - 1] = 0; /* each is followed by a space */
                if (parse_unsigned(word, &pid) < 0)
                        break;
                assert(pid > 1 && pid <= INT32_MAX); /* anything else would mean a group, or init */
                (void) kill((pid_t) pid, SIGKILL);
                if (n++ == 0)
                        *ret_first = (pid_t) pid;
        }
        return n;
}

static void await_death(pid_t pid, uint64_t deadline_usec) {
        _cleanup_close_ int pidfd = pidfd_open(pid, 0);
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        uint64_t now = now_usec();
        if (pidfd >= 0 && deadline_usec > now)
                (void) poll(&p, 1,
                            (int) MIN((deadline_usec - now) / USEC_PER_MSEC + 1, (uint64_t) INT32_MAX));
}

/* When one dies we may inherit its children, so this repeats until none is left. */
unsigned descendants_kill(uint64_t deadline_usec) {
        unsigned n, most = 0;
        pid_t first = 0;
        do {
                while (waitpid(-1, NULL, WNOHANG) > 0)
                        ; /* one that had exited by itself is no offence */
                n = kill_children(&first);
                most = MAX(most, n);
                if (n > 0)
                        await_death(first, deadline_usec);
        } while (n > 0 && now_usec() < deadline_usec);
        return most;
}
