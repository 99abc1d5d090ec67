/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Volumes with a driver and a real loop, and in the place of bootkeep-scan and bootkeep-build a shell that
 * runs what the test says. */

#include "children.h"
#include "daemon/driver.h"
#include "volumerecord.h"

typedef struct World {
        Scratch *scratch;
        sd_event *event;
        Roster volumes;
        Driver driver;
        unsigned moved, looked;
} World;

static void world_moved(void *userdata) {
        World *w = userdata;
        w->moved++;
}

static void world_look(void *userdata, bool anyway) {
        World *w = userdata;
        assert_false(anyway);
        w->looked++;
}

/* What the program (scan, build) does from now on. */
static inline void program_does(const World *w, const char *program, const char *script) {
        scratch_write(w->scratch, program, script);
}

static inline void make_program(const World *w, const char *name, const char *script) {
        char text[256];
        (void) snprintf(text, sizeof(text),
                        "#!/bin/sh\ncd \"${0%%/*}\" && echo %s \"$@\" >>calls && . ./%s\n", script, script);
        scratch_write(w->scratch, name, text);
        assert_int_equal(fchmodat(w->scratch->fd, name, 0755, 0), 0);
        program_does(w, script, "exit 0\n");
}

static int world_setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_int_equal(scratch_setup((void **) &w->scratch), 0);
        assert_true(sd_event_new(&w->event) >= 0);
        make_program(w, "bootkeep-scan", "scan");
        make_program(w, "bootkeep-build", "build");
        scratch_write(w->scratch, "calls", "");
        w->driver = (Driver){
                .event = w->event,
                .volumes = &w->volumes,
                .config = {.settle = 20 * USEC_PER_MSEC,
                           .settle_max = 80 * USEC_PER_MSEC,
                           .unwatched = 1000 * USEC_PER_SEC,
                           .scan_timeout = 1000 * USEC_PER_SEC,
                           .build_timeout = 1000 * USEC_PER_SEC,
                           .retry = 1000 * USEC_PER_SEC,
                           .max_failures = 5,
                           .max_attempts = 25},
                .launch = {.libexec = w->scratch->path, .trust_ctime = true},
                .moved = world_moved,
                .look_afresh = world_look,
                .userdata = w,
        };
        *state = w;
        return 0;
}

static int world_teardown(void **state) {
        World *w = *state;
        for (Record *r = roster_next(&w->volumes, NULL); r; r = roster_next(&w->volumes, r)) {
                pid_t pids[] = {r->scan.job ? job_get_pid(r->scan.job) : 0,
                                r->build.job ? job_get_pid(r->build.job) : 0};
                for (size_t i = 0; i < ELEMENTSOF(pids); i++)
                        if (pids[i] > 0 && kill(-pids[i], SIGKILL) >= 0)
                                (void) waitpid(pids[i], NULL, 0);
        }
        roster_done(&w->volumes);
        sd_event_unref(w->event);
        int r = scratch_teardown((void **) &w->scratch);
        free(w);
        return r;
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* A trusted volume that is mounted. */
static inline Record *world_add(World *w, const char *name, const char *target) {
        Record *r = volume(name, target);
        r->driver = &w->driver;
        assert_int_equal(roster_add(&w->volumes, r), 0);
        return r;
}

/* How often a line of `calls` contains WORDS. */
static inline unsigned calls_of(const World *w, const char *words) {
        char *path = outer_path(w->scratch, "calls"), line[1024];
        FILE *f = fopen(path, "re");
        unsigned n = 0;
        assert_non_null(f);
        while (fgets(line, sizeof(line), f))
                n += strstr(line, words) != NULL;
        (void) fclose(f);
        free(path);
        return n;
}
