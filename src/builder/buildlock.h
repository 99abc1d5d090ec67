/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/patience.h"

/* Opens the file `lock` in STATE, the directory of the volume's stamps, and creates it if it is missing. Only
 * root may open it: flock(2) needs no more than an open file, so anybody able to open this one could block
 * every build. -EINVAL: there is something else; -ELOOP: there is a symbolic link. */
int buildlock_open(int state, int *ret_fd);

/* Takes the exclusive flock(2) of the open file FD, so that two builds of one volume never run at once. It is
 * held until FD is closed. While another holds it, it is waited for with PATIENCE. -EINTR: interrupted while
 * waiting. */
int buildlock_take(int fd, const Patience *patience);
