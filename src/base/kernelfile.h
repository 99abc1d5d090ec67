/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small files of /proc, which a kernel always has. */

#include "base/util.h"

#define KERNEL_BOOT_ID "/proc/sys/kernel/random/boot_id"
#define KERNEL_CMDLINE "/proc/cmdline"

/* The first line of FILE, without its newline; what exceeds 4 KiB is left out. Errors of open(2), -EIO,
 * -ENOMEM. */
int kernelfile_read_line(const char *file, char **ret);
