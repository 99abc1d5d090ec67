/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The process that waits in a system call, as /proc shows it: what its arguments point to, where it is. What
 * is read counts only if the call is still waiting afterwards. */

#include <linux/limits.h>
#include <sys/types.h>

#include "base/util.h"

/* A string of less than PATH_MAX bytes, from its memory. -ENAMETOOLONG; -EFAULT, -ESRCH: there is none. */
int lookupcaller_read_string(pid_t pid, uint64_t address, char ret[static PATH_MAX]);

/* SIZE bytes. -EFAULT: not all of them are there. */
int lookupcaller_read(pid_t pid, uint64_t address, void *ret, size_t size);

/* What the link /proc/PID/NAME ("cwd", "root", "fd/3") leads to, as a path in its mount namespace. -ENOENT:
 * it has been deleted, or is no file. */
int lookupcaller_read_place(pid_t pid, const char *name, char ret[static PATH_MAX]);

/* For messages: the name of its program, printable. */
void lookupcaller_read_program(pid_t pid, char ret[static 16]);
