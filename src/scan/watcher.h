/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Arms places on an inotify instance that somebody else reads, and counts them. */

#include "tree/walk.h"

#define WATCHER_DIRECTORIES_MAX 200000U

typedef struct Watch Watch;

typedef struct Watcher {
        int inotify_fd;     /* not owned; negative: nothing is armed, only counted */
        Watch *watches;     /* distinct places, by device and inode */
        unsigned n_watches; /* of them, how many there are */
        unsigned n_armed;   /* fewer, with an instance: the kernel had no more watches */
        unsigned n_directories;
        bool covered; /* something is mounted on a place that should be armed */
} Watcher;

void watcher_init(Watcher *w, int inotify_fd);
void watcher_done(Watcher *w);

/* For walk.h: USERDATA is the Watcher. Running out of watches is not an error, only counted. -E2BIG: more
 * than WATCHER_DIRECTORIES_MAX directories. */
int watcher_arm(int fd, ArmKind kind, void *userdata);
