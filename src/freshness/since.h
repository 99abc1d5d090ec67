/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Since when something has been different, as far as the file system records it. */

#include <sys/stat.h>

#include "base/util.h"

/* The time by which PATH, which is missing below ROOT, was gone: the mtime of the nearest existing directory
 * above it. -ENOENT if that cannot be determined. */
int since_absence(int root, const char *path, struct statx_timestamp *ret);
