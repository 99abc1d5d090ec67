/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Moves the calling process into the volume whose root directory is ROOT, in a mount namespace of its own:
 * whatever is mounted below the volume is visible, /proc, /sys (read-only) and /dev are those of the host,
 * /run is empty. Any of these that the volume has no directory for is omitted. For a child that is about to
 * exec: on failure the process is in an undefined state. *RET_WHAT is a static text for the error. */
int chroot_enter(int root, const char **ret_what);
