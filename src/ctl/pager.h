/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

/* A pager in front of stdout. $SYSTEMD_PAGER, else $PAGER, else less; an empty one or "cat" means none. less
 * is told to leave at once what fits the screen, and to offer no shell (it may run as root). */

typedef struct Pager {
        pid_t pid; /* 0: none */
} Pager;

#define PAGER_NULL ((Pager){})

/* Puts the pager in the place of stdout. Where none can be started stdout stays what it is: that is no error.
 */
void pager_open(Pager *p);
/* Ends stdout and waits until the person has read. */
void pager_done(Pager *p);
