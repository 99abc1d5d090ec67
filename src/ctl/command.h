/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl/ctl.h"

#define COMMAND_KILLED_BY 128 /* plus the number of the signal */

/* Runs ARGV as `env` would, on our own standard descriptors, and returns its exit status: 128 + N when signal
 * N killed it, 126 or 127 when it could not be started, which is logged. Signals sent to us are forwarded to
 * it. It keeps running whatever happens to the connection: if that or the daemon goes away, a warning says
 * that LOCK ("the reboot lock") is lost, and *RET_LOST is set. */
int command_run(Ctl *ctl, char *const *argv, const char *lock, bool *ret_lost);
