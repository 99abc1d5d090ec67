/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All of bootkeepd but its main and its census: it is told of one volume, sda2, which is mounted nowhere, and
 * starts programs of the test's own. */

#include <sys/sysmacros.h>

#include "daemon/commands.h"
#include "scratch.h"

#define LIFE_UUID "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"

/* What bootkeepd starts instead of bootkeep-scan and bootkeep-build: shell scripts. */
static inline void daemon_life_write_programs(const Scratch *s, const char *scan, const char *build) {
        const char *const programs[][2] = {{"libexec/bootkeep-scan", scan},
                                           {"libexec/bootkeep-build", build}};
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                char text[512];
                (void) snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", programs[i][1]);
                scratch_write(s, programs[i][0], text);
                assert_int_equal(fchmodat(s->fd, programs[i][0], 0755, 0), 0);
        }
}

typedef struct DaemonLife {
        char libexec[128], state[128], units[128];
        DaemonOptions options;
        sd_event *event;
        Daemon *daemon;
        Commands *commands;
} DaemonLife;

/* READY is called when it owns its name. Negative errno: L must be ended all the same. */
static inline int daemon_life_begin(DaemonLife *l, const Scratch *s, void (*ready)(void)) {
        Settings settings = {
                .settle = USEC_PER_MSEC,
                .settle_max = USEC_PER_MSEC,
                .scan_timeout = 60 * USEC_PER_SEC,
                .max_scans = 1,
                .max_builds = 1,
                .max_failures = 1,
                .max_attempts = 1,
                .retry = USEC_PER_SEC,
                .pin_busy_volumes = true,
        };
        *l = (DaemonLife){};
        (void) snprintf(l->libexec, sizeof(l->libexec), "%s/libexec", s->path);
        (void) snprintf(l->state, sizeof(l->state), "%s/state", s->path);
        (void) snprintf(l->units, sizeof(l->units), "%s/units", s->path);
        l->options =
                (DaemonOptions){.libexec = l->libexec, .state = l->state, .units = l->units, .watch = true};
        assert_true(sd_event_new(&l->event) >= 0);
        int r = daemon_new(l->event, &l->options, &settings, &l->daemon);
        return r < 0 ? r : commands_new(l->daemon, ready, &l->commands);
}

static inline int daemon_life_add_volume(const DaemonLife *l) {
        DeviceInfo info = {.uuid = strdup(LIFE_UUID)};
        const MountEntry e = {
                .id = 7,
                .devno = makedev(4000, 2),
                .device = (char *) "sda2",
                .node = (char *) "/dev/sda2",
                .root = (char *) "/",
                .target = (char *) "/nowhere",
                .fstype = (char *) "ext4",
        };
        int r = daemon_mounted(l->daemon, "sda2", &e, &info);
        device_info_done(&info);
        return r;
}

static inline void daemon_life_end(DaemonLife *l) {
        l->commands = l->commands ? commands_free(l->commands) : NULL;
        l->daemon = daemon_free(l->daemon);
        l->event = sd_event_unref(l->event);
}
