/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/patience.h"

/* Opens the file `lock` in STATE, the directory of the volume's stamps, made if it is missing. It is root's
 * alone: a lock of flock(2) needs no more than an open file, so whoever could open this one could hold up
 * every build. -EINVAL: something else stands there; -ELOOP: a symbolic link does. */
int buildlock_open(int state, int *ret_fd);

/* Takes the exclusive flock(2) of the open file FD, so that two builds of one volume never run at once. It is
 * held until FD is closed. While another holds it, it is waited for with PATIENCE. -EINTR: interrupted while
 * waiting. */
int buildlock_take(int fd, const Patience *patience);
