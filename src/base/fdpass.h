/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One descriptor, or the reason why there is none, from one process to another of the same user, which share
 * nothing but a path. */

#include "base/util.h"

/* Listens at PATH, which is replaced if it is there. Nobody but the user can connect to it. */
int fdpass_listen(const char *path, int *ret_fd);

/* The first who has connected. -EPERM: another user. */
int fdpass_accept(int listener, int *ret_fd);
int fdpass_connect(const char *path, int *ret_fd);

/* Waits for the first who connects, at most TIMEOUT_USEC (-ETIMEDOUT). 0 and *RET_FD; or the negative errno
 * that was sent in its place; -EBADMSG: neither was sent; -EPERM: another user has connected. */
int fdpass_receive(int listener, uint64_t timeout_usec, int *ret_fd);

/* Connects to PATH and sends RESULT: a descriptor, or a negative errno. */
int fdpass_send(const char *path, int result);
