/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Learns what a builder uses of a volume while it runs, by fanotify(7): what is opened, executed, listed or
 * written through the mount of the volume that is in the builder's own namespace (builderspace.h), and so by
 * nobody else. It keeps no descriptor of anything that it is told of. */

#include "builder/run/trace.h"

typedef struct Learner Learner;

Learner *learner_free(Learner *learner);
DEFINE_CLEANUP(Learner *, learner_free);

/* From now on, before the builder enters TREE, the clone of the volume. Both are borrowed. Negative errno:
 * the kernel does not do it, or not for us. */
int learner_new(int tree, Trace *trace, Learner **ret);

/* Readable when there is something to take. */
int learner_get_fd(const Learner *learner);

/* Takes some of what there is: 1: there may be more; 0: there is no more now. What goes wrong makes the trace
 * incomplete. -ENOMEM. */
int learner_take(Learner *learner);
