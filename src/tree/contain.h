/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Contained opens: no path, link or mount leads out of the directory that ROOT is a descriptor of. Everything
 * that is read from or written to a volume or helper goes through here (or through walk.h, which is built on
 * it). Based on openat2(2): RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS.
 *
 * Paths are absolute within the root ("/boot/initrd"); "/" is the root itself. All functions return negative
 * errno: -EXDEV a link or mount leads out, -ELOOP a link where none is allowed, -ENOENT, -ENOTDIR, … */

#include <sys/stat.h>

#include "base/util.h"

/* Opens the directory MOUNTPOINT as a root (O_RDONLY|O_DIRECTORY|O_CLOEXEC). With MOUNT_ID != 0 the directory
 * must be that mount (statx STATX_MNT_ID, as in /proc/self/mountinfo), else -ESTALE: something was mounted
 * over it or it moved. */
int contain_open_root(const char *mountpoint, uint64_t mount_id, int *ret_fd);

/* openat2 beneath ROOT. FLAGS as for open(2); O_CLOEXEC is implied, O_NOFOLLOW is the caller's choice; links
 * inside the root are followed unless NO_SYMLINKS. -EAGAIN from the kernel (a race with a rename) is retried
 * a bounded number of times. */
int contain_open(int root, const char *path, int flags, mode_t mode, int *ret_fd);
int contain_open_nolinks(int root, const char *path, int flags, mode_t mode, int *ret_fd);

/* The directory PATH, which may be on another mount, reached without any symbolic link; the caller finds out
 * what it is. */
int contain_open_across(int root, const char *path, int *ret_fd);

/* The directory that contains PATH, reached without any symbolic link (for writing), and a copy of the last
 * part. "/" is -EINVAL. */
int contain_open_parent(int root, const char *path, int *ret_dirfd, char **ret_name);
/* The same; missing directories are created (MODE), each synced into its parent. */
int contain_make_parent(int root, const char *path, mode_t mode, int *ret_dirfd, char **ret_name);

/* The directory PATH itself, created if missing, no links. */
int contain_make_directory(int root, const char *path, mode_t mode, int *ret_dirfd);

/* Reopens what the O_PATH descriptor FD refers to, through /proc/self/fd. O_NONBLOCK and O_CLOEXEC are
 * implied. */
int contain_reopen(int fd, int flags, int *ret_fd);

/* Reads the regular file that the O_PATH descriptor FD refers to: never blocks on a fifo or device (-EINVAL).
 * More than MAX bytes is -EFBIG. *RET is NUL-terminated after *RET_SIZE bytes (RET_SIZE may be NULL). */
int contain_read(int fd, size_t max, char **ret, size_t *ret_size);

/* Is PATH absolute, without an empty part, "." or "..", at most 4095 bytes? */
bool contain_path_is_valid(const char *path);
