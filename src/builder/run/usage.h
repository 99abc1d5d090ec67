/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What processes have used, according to /proc. */

#include <sys/types.h>

#include "builder/run/activity.h"

/* What PID, its descendants that run, and those of them that ended and were waited for have used so far. What
 * cannot be read counts as nothing: a process may end at any time. */
Usage usage_of_tree(pid_t pid);
