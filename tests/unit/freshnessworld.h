/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A volume with a cache and copies, its stamps, and the host's builders, in folders. */

#include "freshness/freshness.h"

#include <time.h>

#include "scratch.h"

/* A volume in a folder: SCRATCH/v, its stamps in SCRATCH/state, the host's builders in SCRATCH/builders. */
typedef struct World {
        const Scratch *s;
        Root root;
        Manifest *manifest;
        DefinitionSet *builders;
        Plan *plan;
        FreshnessContext context;
        Helper helper;
} World;

#define MANIFEST                                                                                             \
        "<bootcaches version=\"1\">"                                                                         \
        "<cache name=\"c\" builder=\"b\"><source path=\"/src\"/><source path=\"/opt\" optional=\"yes\"/>"    \
        "<output path=\"/out\"/></cache>"                                                                    \
        "<copy role=\"required\" from=\"/out\" to=\"/linux\"/>"                                              \
        "<copy role=\"misc\" from=\"/splash\" to=\"/splash\"/>"                                              \
        "</bootcaches>"

static inline void world_plan(World *w, const char *manifest) {
        char directory[128], *reason = NULL;
        char *directories[] = {directory, NULL};
        (void) snprintf(directory, sizeof(directory), "%s/builders", w->s->path);
        w->plan = plan_free(w->plan);
        w->manifest = manifest_free(w->manifest);
        w->builders = definition_set_free(w->builders);
        assert_int_equal(manifest_parse("test", manifest, strlen(manifest), &w->manifest, &reason), 0);
        assert_int_equal(definition_set_load(directories, &w->builders, NULL), 0);
        assert_int_equal(plan_new(&(Walk){.root = w->root.fd}, w->manifest, w->builders, &w->plan, &reason),
                         0);
        w->context = (FreshnessContext){.root = &w->root, .plan = w->plan, .trust_ctime = true};
}

static inline World *world_new(const Scratch *s) {
        World *w = calloc(1, sizeof(World));
        w->s = s;
        scratch_write(s, "v/src/a", "a");
        scratch_write(s, "v/src/b/c", "c");
        scratch_write(s, "v/out", "built");
        scratch_write(s, "state/caches/.keep", "");
        scratch_write(s, "state/helpers/.keep", "");
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true\n");
        int fd = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->root.fd = fcntl(fd, F_DUPFD_CLOEXEC, 20); /* a number without another meaning */
        close(fd);
        w->root.state_fd = openat(s->fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(w->root.fd >= 0 && w->root.state_fd >= 0);
        w->helper = (Helper){.type = HELPER_ESP, .partuuid = (char *) "12-34", .fs_uuid = (char *) "AB-CD"};
        world_plan(w, MANIFEST);
        return w;
}

static inline void world_free(World *w) {
        (void) plan_free(w->plan);
        (void) manifest_free(w->manifest);
        (void) definition_set_free(w->builders);
        close(w->root.fd);
        close(w->root.state_fd);
        free(w);
}

/* What a build does: stamps before, outputs after. */
static inline void world_build(World *w) {
        Stamp *stamp = NULL;
        int fd = openat(w->root.state_fd, "caches", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, NULL), 0);
        assert_int_equal(freshness_stamp_outputs(&w->context, &w->plan->caches[0], stamp, NULL), 0);
        assert_int_equal(stamp_write(fd, "c.stamp", stamp), 0);
        (void) stamp_free(stamp);
        close(fd);
        fd = openat(w->root.state_fd, "helpers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        stamp = NULL;
        assert_int_equal(freshness_stamp_helper(&w->context, &w->helper, &stamp, NULL), 0);
        assert_int_equal(stamp_add(stamp, "filesystem", "%s", w->helper.fs_uuid), 0);
        assert_int_equal(stamp_write(fd, "12-34.stamp", stamp), 0);
        (void) stamp_free(stamp);
        close(fd);
}

/* Replaces each time in TEXT by TIME, and checks that it is one of this test. time(2) may be a tick earlier
 * than the time that a file system uses, and thus in the previous second. */
static inline void hide_times(char *text) {
        struct timespec now;
        assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
        for (char *p = text; *p; p++) {
                struct tm tm = {.tm_isdst = -1};
                const char *end = strptime(p, "%Y-%m-%d %H:%M:%S", &tm);
                if (!end || end - p != 19)
                        continue;
                assert_in_range(mktime(&tm), now.tv_sec - 60, now.tv_sec);
                memcpy(p, "TIME", 4);
                memmove(p + 4, end, strlen(end) + 1);
        }
}

static inline void check(Freshness *f, const char *expected) {
        char *text = freshness_describe(f);
        hide_times(text);
        assert_string_equal(text, expected);
        free(text);
        freshness_done(f);
}

static inline void check_cache(World *w, const char *expected) {
        Freshness f = FRESHNESS_NULL;
        assert_int_equal(freshness_of_cache(&w->context, &w->plan->caches[0], &f), 0);
        check(&f, expected);
}

static inline void check_helper(World *w, const char *expected) {
        Freshness f = FRESHNESS_NULL;
        assert_int_equal(freshness_of_helper(&w->context, &w->helper, &f), 0);
        check(&f, expected);
}

/* Puts LINES in place of the files and the fingerprint in the stamp of the cache. */
static inline void replace_files(World *w, const char *lines) {
        char text[4096] = "";
        FILE *f = fdopen(openat(w->s->fd, "state/caches/c.stamp", O_RDONLY | O_CLOEXEC), "re");
        for (char line[1024]; fgets(line, sizeof(line), f);)
                if (startswith(line, "fingerprint "))
                        strcat(text, "fingerprint 00000000000000000000000000000000\n");
                else if (!startswith(line, "file "))
                        strcat(text, line);
        (void) fclose(f);
        strcat(text, lines);
        scratch_write(w->s, "state/caches/c.stamp", text);
}
