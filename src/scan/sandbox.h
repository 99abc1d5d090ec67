/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Gives up, irrevocably, everything that a scan does not need: being root, all capabilities except the one to
 * read everything, new privileges, core dumps, unlimited memory and time, writing, running and connecting to
 * anything (landlock.h), most system calls (syscalls.h). Call it once the volume is open, and after
 * log_stay_on_stderr(). Negative errno if this process has any of these and could not give it up. */
int sandbox_enter(void);
