/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Leaves this process the system calls that looking at files needs, for good: another fails with EPERM, and
 * one that only somebody who has taken it over would make kills it (SIGSYS). Printing is left on stdout and
 * stderr alone. With LENIENT the first becomes "is let through", and what a leak sanitizer does at the end of
 * a program is. Wants no_new_privs set. A kernel without seccomp is no error. Negative errno. */
int syscalls_limit(bool lenient);
