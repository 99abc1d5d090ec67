/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which processes have started a process, as /proc shows it. In another PID namespace there may be none. */

#include <sys/types.h>

#include "base/util.h"

#define ANCESTORS_MAX 64U

/* PID and those above it, without process 1, at most ANCESTORS_MAX of them. Returns how many. */
size_t ancestors_of(pid_t pid, pid_t ret[static ANCESTORS_MAX]);
