/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A host of builders in another process, and a link to it. */

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "builder/run/builderhost.h"
#include "builder/run/builderlink.h"
#include "scratch.h"

typedef struct HostWorld {
        BuilderLink link;
        pid_t pid; /* of the host; 0: it has been waited for */
        int status;
        char printed[4096];
} HostWorld;

static inline void host_world_start(HostWorld *w) {
        int ends[2];
        *w = (HostWorld){.link = BUILDER_LINK_NULL};
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        (void) fflush(stdout);
        w->pid = fork();
        assert_true(w->pid >= 0);
        if (w->pid == 0) {
                Interrupt *interrupt = NULL;
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) close(ends[0]);
                int r = interrupt_new(&interrupt);
                if (r >= 0)
                        r = builderhost_serve(ends[1], interrupt);
                (void) interrupt_free(interrupt);
                _exit(r < 0 ? -r : 0);
        }
        (void) close(ends[1]);
        w->link.socket = ends[0];
        assert_int_equal(interrupt_new(&w->link.interrupt), 0);
}

static inline void host_world_await(HostWorld *w) {
        assert_int_equal(waitpid(w->pid, &w->status, 0), w->pid);
        w->pid = 0;
}

/* The host ends by itself. */
static inline void host_world_end(HostWorld *w) {
        closep(&w->link.socket);
        w->link.interrupt = interrupt_free(w->link.interrupt);
        if (w->pid > 0) {
                host_world_await(w);
                assert_int_equal(w->status, 0);
        }
}

static inline void host_world_take(const char *line, void *userdata) {
        HostWorld *w = userdata;
        if (strlen(w->printed) + strlen(line) + 2 < sizeof(w->printed)) {
                strcat(w->printed, line);
                strcat(w->printed, "\n");
        }
}

static inline RunnerJob host_world_job(HostWorld *w, const char *const *argv) {
        return (RunnerJob){
                .program = {.name = "pack", .argv = (char *const *) argv},
                .root = -EBADF,
                .timeout_usec = USEC_INFINITY,
                .line = host_world_take,
                .userdata = w,
        };
}
