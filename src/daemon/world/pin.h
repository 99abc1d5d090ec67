/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/mountentry.h"

/* Holds a mount: while the descriptor in *RET is open, umount(8) says "target is busy". Neither a lazy umount
 * nor a remount is prevented. APART: MOUNT is one of another mount namespace, of which what our own has at
 * that place is held: a slave of it. -ESTALE: its path leads to another mount by now. -EAGAIN: a server would
 * have to be asked to look up its path. Opens no file (O_PATH) and never waits. */
int pin_mount(const MountEntry *mount, bool apart, int *ret);

/* Closes FD, if it is open, without waiting for the disk: the last process to close a mount that was lazily
 * unmounted has to write back the file system, for as long as that takes. */
void pin_release(int fd);
