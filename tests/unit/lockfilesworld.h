/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A volume in a folder, SCRATCH/v, and the host's files below SCRATCH/host. */

#include "scan/lockfiles.h"

#include <sys/inotify.h>
#include <sys/sysmacros.h>

#include "base/report.h"
#include "interpose.h"
#include "scan/watcher.h"

typedef struct World {
        const Scratch *s;
        Root root;
        int inotify;
        Watcher watcher;
        LockFiles files;
        char host[96];
} World;

static inline World *world_new(const Scratch *s) {
        World *w = calloc(1, sizeof(World));
        w->s = s;
        scratch_write(s, "v/keep", "");
        scratch_write(s, "host/keep", "");
        w->root = (Root){.fd = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                         .mount.target = (char *) "/mnt"};
        assert_true(w->root.fd >= 0);
        w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        watcher_init(&w->watcher, w->inotify);
        (void) snprintf(w->host, sizeof(w->host), "%s/host", s->path);
        return w;
}

static inline void world_free(World *w) {
        lock_files_done(&w->files);
        assert_int_equal(w->files.n, 0);
        watcher_done(&w->watcher);
        close(w->root.fd);
        close(w->inotify);
        free(w);
}

static inline int world_try_add(World *w, const char *path, bool exists) {
        char *copy = strdup(path), *paths[] = {copy, NULL};
        int r = lock_files_add(&w->files, paths, exists);
        if (r >= 0)
                w->files.items[w->files.n - 1].path = path;
        free(copy);
        return r;
}

static inline void world_add(World *w, const char *path, bool exists) {
        assert_int_equal(world_try_add(w, path, exists), 0);
}

/* A file NAME that is made on the host. RET: its path, which must outlive W. */
static inline void world_add_on_host(World *w, const char *name, bool exists, char ret[static 128]) {
        char below[64];
        (void) snprintf(ret, 128, "%s/%s", w->host, name);
        (void) snprintf(below, sizeof(below), "host/%s", name);
        scratch_write(w->s, below, "");
        world_add(w, ret, exists);
}

static inline char *world_report(World *w) {
        char *text = NULL;
        size_t size = 0;
        const Arm arm = {watcher_arm, &w->watcher};
        FILE *f = open_memstream(&text, &size);
        assert_int_equal(lock_files_report(&w->files, &w->root, &arm, f), 0);
        assert_int_equal(fclose(f), 0);
        return text;
}

static inline void world_reports(World *w, const char *expected) {
        char *text = world_report(w);
        assert_string_equal(text, expected);
        free(text);
}

/* The expected record for FILE (a path outside), reported as PATH. */
static inline char *hold_record(const char *file, const char *path, const char *kind) {
        struct stat st;
        char *text = NULL;
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(strprintf(&text, "HOLD %s %02x:%02x:%llu %s\n", path, major(st.st_dev),
                                   minor(st.st_dev), (unsigned long long) st.st_ino, kind),
                         0);
        return text;
}

static inline bool anything_queued(const World *w) {
        char buffer[65536] __attribute__((__aligned__(8)));
        bool any = false;
        while (read(w->inotify, buffer, sizeof(buffer)) > 0)
                any = true;
        return any;
}
