/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* lookup-limit COMMAND...: runs it with the filter of Learn=lookups, and answers each call at once, without a
 * look at what it is. No listener costs less: what bench/learn measures beside it is ours. */

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder/run/lookupfilter.h"

/* of Linux 6.6 */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* Larger than those of any kernel so far. */
typedef union Request {
        struct seccomp_notif notif;
        char bytes[1024];
} Request;

static int check(int r, const char *what) {
        if (r < 0) {
                (void) fprintf(stderr, "lookup-limit: %s: %s\n", what, strerror(errno));
                exit(EXIT_FAILURE);
        }
        return r;
}

/* Tells the number of its listener, and goes on when that was taken. */
static void become_command(const LookupFilter *filter, int out, int in, char **argv) {
        int listener = -1;
        char c;
        int r = lookupfilter_install(filter, &listener);
        if (r < 0 || write(out, &listener, sizeof(listener)) < 0 || read(in, &c, 1) < 0)
                _exit(EXIT_FAILURE);
        (void) execv(argv[0], argv);
        _exit(127);
}

/* Until the command has ended. */
static void answer_all(int pidfd, int listener) {
        struct pollfd p[] = {{.fd = listener, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
        Request request;
        (void) ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
        while (p[1].revents == 0) {
                (void) poll(p, 2, -1);
                if (!(p[0].revents & POLLIN))
                        continue;
                memset(&request, 0, sizeof(request));
                if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
                        continue;
                struct seccomp_notif_resp response = {.id = request.notif.id,
                                                      .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
                (void) ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
        }
}

int main(int argc, char **argv) {
        _cleanup_(lookupfilter_done) LookupFilter filter = {};
        int to[2], from[2], number, status = 0;
        if (argc < 2 || *argv[1] != '/') {
                (void) fprintf(stderr, "usage: lookup-limit /PROGRAM [ARGUMENT...]\n");
                return EXIT_FAILURE;
        }
        check(lookupfilter_make(LOOKUP_NAMES, argv[1], &filter), "filter");
        check(pipe(to), "pipe");
        check(pipe(from), "pipe");
        pid_t pid = check(fork(), "fork");
        if (pid == 0)
                become_command(&filter, from[1], to[0], argv + 1);
        if (read(from[0], &number, sizeof(number)) != sizeof(number))
                check(-1, "command");
        int pidfd = check(pidfd_open(pid, 0), "pidfd");
        int listener = check(pidfd_getfd(pidfd, number, 0), "listener");
        (void) !write(to[1], "", 1);
        answer_all(pidfd, listener);
        check(waitpid(pid, &status, 0), "wait");
        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}
