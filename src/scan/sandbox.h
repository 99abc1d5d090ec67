/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Gives up, for good, all that a scan does not need: being root, every capability but reading past
 * permissions, new privileges, core dumps, memory and time without bound, writing, running and connecting to
 * anything (landlock.h), most system calls (syscalls.h). To be called once the volume is open, and after
 * log_stay_on_stderr(). Negative errno if anything of it could not be given up that this process holds. */
int sandbox_enter(void);
