/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Walks one source of a cache: the file or whole tree at a path of a volume, with every symbolic link in the
 * path. Each place is *armed first and examined second*: the Arm is called with a descriptor of it before its
 * content is read, so whatever changes after that is already queued on the inotify instance.
 *
 * Links in the path are followed as in a chroot (absolute ones from the root, ".." at the root stays there),
 * never out of the root, never across a mount (-EXDEV). Links inside a tree are entries and not followed.
 * Only directories are opened; nothing blocks on a fifo or device. The contents of BOOTKEEP_VOLUME_STATE are
 * never visited. */

#include "tree/visitor.h"

/* Resolves PATH: on success *RET_FD is an O_PATH descriptor of what it leads to (never a symbolic link) and
 * *RET_PATH its path without links. Each link passed is given to VISITOR (NULL: not), even if the result is
 * one of these: -ENOENT and -ENOTDIR: missing, and its appearance is armed; -ELOOP: more than 40 links;
 * -EXDEV; -ENAMETOOLONG. */
int walk_resolve(const Walk *walk, const char *path, const Visitor *visitor, int *ret_fd, char **ret_path);

/* Resolves PATH and passes what is there to VISITOR: links passed, the object itself and, for a directory,
 * everything below it in byte order of names, depth first. Same errors. */
int walk_source(const Walk *walk, const char *path, const Visitor *visitor);
