/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Kills all children of the calling process, and then those that it inherits as their subreaper
 * (PR_SET_CHILD_SUBREAPER), until none is left or DEADLINE_USEC (of now_usec()) has passed. Returns the
 * maximum number at once. */
unsigned descendants_kill(uint64_t deadline_usec);
