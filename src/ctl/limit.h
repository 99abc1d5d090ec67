/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* A hook must never hold up a package manager, whatever happens to the daemon and the bus: ends this process
 * after USEC, whatever it is doing. STATUS is EXIT_SUCCESS or BOOTKEEP_CTL_UNREACHABLE. */
int limit_set(uint64_t usec, int status);
