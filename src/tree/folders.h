/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Goes to one folder of a volume after the other. Each is armed before it is handed out, so that whatever
 * changes in it, or on the way to it, after that is in the queue of the watches. No link is followed: the
 * paths are those that a walk found. What is on the way to both of two folders is opened once, if the second
 * follows the first in the order of folders_compare(). */

#include "tree/visitor.h"

typedef struct FoldersFrame {
        int fd;        /* negative: it must be opened again */
        size_t length; /* of its path */
} FoldersFrame;

typedef struct Folders {
        const Walk *walk;
        FoldersFrame *frames; /* the root, and each folder on the way */
        size_t n_frames;
        char path[PLACE_PATH_ROOM]; /* of the last; "" is the root */
} Folders;

void folders_init(Folders *f, const Walk *walk);
void folders_done(Folders *f);

/* *RET_FD is an O_PATH descriptor of the folder PATH, borrowed until the next call. -ENOENT: there is none,
 * and its appearance is armed; -ENOTDIR, -ELOOP: something else is there or on the way; -EXDEV: something is
 * mounted there or on the way; -EAGAIN: it changes all the time; others: failed. */
int folders_enter(Folders *f, const char *path, int *ret_fd);

/* The folder above the last one entered, -EBADF if there is none. */
int folders_above(const Folders *f);

/* The order for which folders_enter() is made: like strcmp(3), but what is below a folder comes next. */
int folders_compare(const char *a, const char *b);
