/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Since when something is other than it was, as far as the file system tells. */

#include <sys/stat.h>

#include "base/util.h"

/* When PATH, which is missing below ROOT, was gone at the latest: the mtime of the nearest directory above it
 * that is there. -ENOENT where that cannot be had. */
int since_absence(int root, const char *path, struct statx_timestamp *ret);
