/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Walks one source of a cache: the file or whole tree at a path of a volume, with every symbolic link on the
 * way there. Each place is *armed first and looked at second*: the Arm is called with a descriptor of it
 * before its content is read, so whatever changes after the look is already queued on the inotify instance.
 *
 * Links on the way to the path are followed as a chroot would follow them (absolute ones from the root, ".."
 * at the root stays there), never out of the root, never across a mount (-EXDEV). Links inside a tree are
 * entries, not followed. Nothing is opened but directories; nothing blocks on a fifo or device. What lies in
 * BOOTKEEP_VOLUME_STATE is never given. */

#include "tree/visitor.h"

/* Resolves PATH: on success *RET_FD is an O_PATH descriptor of what it leads to (never a symbolic link) and
 * *RET_PATH its path without links. Each link passed is given to VISITOR (NULL: not), also where the way ends
 * in one of these: -ENOENT and -ENOTDIR: missing, and its appearance is armed; -ELOOP: more than 40 links;
 * -EXDEV; -ENAMETOOLONG. */
int walk_resolve(const Walk *walk, const char *path, const Visitor *visitor, int *ret_fd, char **ret_path);

/* Resolves PATH and gives what is there to VISITOR: links passed, the thing itself and, of a directory,
 * everything below it in byte order of names, depth first. Same errors. */
int walk_source(const Walk *walk, const char *path, const Visitor *visitor);
