/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A dbus-daemon of the test's own in the place of the system bus. */

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "scratch.h"

typedef struct PrivateBus {
        pid_t pid;
} PrivateBus;

/* Everybody may own every name, and send and receive everything. */
static inline void private_bus_start(PrivateBus *b, const Scratch *s) {
        char config[1024], file[128], address[128], line[256];
        int said[2];
        (void) snprintf(address, sizeof(address), "unix:path=%s/bus", s->path);
        (void) snprintf(config, sizeof(config),
                        "<busconfig><listen>%s</listen><auth>EXTERNAL</auth><policy context='default'>"
                        "<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/>"
                        "<allow user='*'/><allow own='*'/></policy></busconfig>",
                        address);
        scratch_write(s, "bus.conf", config);
        (void) snprintf(file, sizeof(file), "--config-file=%s/bus.conf", s->path);
        assert_int_equal(pipe2(said, O_CLOEXEC), 0);
        b->pid = fork();
        assert_true(b->pid >= 0);
        if (b->pid == 0) {
                (void) dup2(said[1], STDOUT_FILENO);
                (void) dup2(open("/dev/null", O_WRONLY | O_CLOEXEC),
                            STDERR_FILENO);              /* of limits that it lacks */
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* if the test dies first */
                execlp("dbus-daemon", "dbus-daemon", file, "--nofork", "--nopidfile", "--nosyslog",
                       "--print-address", NULL);
                _exit(127);
        }
        close(said[1]);
        assert_true(read(said[0], line, sizeof(line)) > 0); /* it listens */
        close(said[0]);
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, true), 0);
}

static inline void private_bus_stop(PrivateBus *b) {
        assert_int_equal(kill(b->pid, SIGKILL), 0);
        assert_int_equal(waitpid(b->pid, NULL, 0), b->pid);
        assert_int_equal(unsetenv("DBUS_SYSTEM_BUS_ADDRESS"), 0);
}

/* A connection of a client. */
static inline sd_bus *private_bus_connect(void) {
        sd_bus *bus = NULL;
        const char *name = NULL;
        assert_true(sd_bus_open_system(&bus) >= 0);
        assert_true(sd_bus_get_unique_name(bus, &name) >= 0);
        return bus;
}
