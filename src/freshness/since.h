/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Since when something is other than it was, as far as the file system tells, in words for people. Times are
 * local; who gives up the right to read the time zone calls tzset() first. */

#include <sys/stat.h>

#include "base/util.h"

/* When PATH, which is missing below ROOT, was gone at the latest: the mtime of the nearest directory above it
 * that is there. -ENOENT where that cannot be had. */
int since_absence(int root, const char *path, struct statx_timestamp *ret);

/* WHAT (or NULL) and WHEN (or NULL), with BEFORE in front of the time: "size, 2026-11-23 17:20:33", "by
 * 2026-11-23 17:20:33". *RET is NULL where there is neither. -ENOMEM. */
int since_describe(const char *what, const char *before, const struct statx_timestamp *when, char **ret);
