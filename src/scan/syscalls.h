/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Restricts this process, irrevocably, to the system calls needed to examine files: others fail with EPERM,
 * and those that only somebody who has taken it over would make kill it (SIGSYS). Writing remains possible to
 * stdout and stderr only. With LENIENT the others are permitted, as is what a leak sanitizer does when a
 * program exits. Requires no_new_privs. A kernel without seccomp is not an error. Negative errno. */
int syscalls_limit(bool lenient);
