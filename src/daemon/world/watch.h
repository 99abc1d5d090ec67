/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inotify instance of one volume. bootkeep-scan arms it (it inherits the descriptor); the daemon only
 * wants to know whether anything came. No event is interpreted, no watch descriptor mapped: any event, an
 * overflow included, means "this volume changed". So nothing can be misread, and a storm is not read at all
 * while the volume settles. */

#include "base/util.h"

typedef struct Watch Watch;

/* -EMFILE: fs.inotify.max_user_instances or RLIMIT_NOFILE is reached. */
int watch_new(Watch **ret);
Watch *watch_free(Watch *w);
DEFINE_CLEANUP(Watch *, watch_free);

/* fs.inotify.max_user_instances; 0: cannot be read. */
uint64_t watch_instances_max(void);

/* Readable when anything came. */
int watch_get_fd(const Watch *w);

/* Has anything arrived since the last watch_has_grown() or watch_drain()? 1, 0, negative errno. A queue that
 * grows is left to fill (from then on an event costs the kernel, and its cause, next to nothing); one that
 * does not is drained. What arrives during the call is reported by it or by the next one. */
int watch_has_grown(Watch *w);

/* Empties the queue. 0 or negative errno. */
int watch_drain(Watch *w);
