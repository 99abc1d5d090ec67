/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* A detached clone of the volume whose root directory is ROOT, with everything that is mounted below it, as
 * mounts of that PROPAGATION (mount(2)). It keeps the device busy until it is closed. */
int chroot_clone(int root, uint64_t propagation, int *ret);

/* Moves the calling process into TREE, such a clone, in a mount namespace of its own: whatever is mounted
 * below the volume is visible, /proc, /sys (read-only) and /dev are those of the host, /run is empty. Any of
 * these that the volume has no directory for is omitted. For a child that is about to exec: on failure the
 * process is in an undefined state. *RET_WHAT is a static text for the error. */
int chroot_enter(int tree, const char **ret_what);
