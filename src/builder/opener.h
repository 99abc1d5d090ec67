/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The other end of scan/uncover.h: opens the directory of a volume's stamps below whatever covers it, and
 * sends it to the scan that waits for it. Nothing is kept: a clone of a mount keeps its device busy. */

#include "base/util.h"

/* SOCKET: where the scan listens. The exit status: success if it was told, even that the directory cannot be
 * opened. */
int opener_run(const char *mount_point, uint64_t mount_id, const char *socket);
