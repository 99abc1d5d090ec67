/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Changes the calling process into the volume whose root directory is ROOT, in a mount namespace of its own:
 * what is mounted below the volume comes along, /proc, /sys (read-only) and /dev are the host's, /run is
 * empty. Where the volume has no such directory, it goes without. For a child that is about to exec:
 * on failure the process is half changed. *RET_WHAT is a static text for the error. */
int chroot_enter(int root, const char **ret_what);
