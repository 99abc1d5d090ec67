/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Gives up, through Landlock, every right to change, run or connect to anything, as far as this kernel's
 * Landlock goes; its limits, or its absence, are not an error. Requires no_new_privs. Negative errno. */
int landlock_enter(void);
