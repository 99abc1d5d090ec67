/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Gives up, by Landlock, every right to change, run or connect to anything, as far as this kernel's Landlock
 * goes; what it cannot do, or its absence, is no error. Wants no_new_privs set. Negative errno. */
int landlock_enter(void);
