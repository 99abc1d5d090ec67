/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "build/interrupt.h"

/* Takes the exclusive flock(2) of the open file FD, so that two builds of one volume never run at once. It is
 * held until FD is closed. Calls WAITING once if another holds it. -EINTR: interrupted while waiting. */
int buildlock_take(int fd, Interrupt *interrupt, void (*waiting)(void *userdata), void *userdata);
