/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

/* A pager in front of stdout. $SYSTEMD_PAGER, else $PAGER, else less; an empty one or "cat" means none. less
 * is told to exit at once if the text fits on the screen, and to offer no shell (it may run as root). */

typedef struct Pager {
        pid_t pid; /* 0: none */
} Pager;

#define PAGER_NULL ((Pager){})

/* Puts the pager in place of stdout. If none can be started, stdout is unchanged: that is not an error. */
void pager_open(Pager *p);
/* Closes stdout and waits until the user has quit the pager. */
void pager_done(Pager *p);
