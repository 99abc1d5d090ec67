/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The other end of scan/uncover.h: opens the directory of a volume's stamps below whatever covers it, and
 * sends it to the scan that waits for it. Nothing is kept: a clone of a mount keeps its device busy. */

#include "tree/root.h"

/* ROOT, which it takes, is the volume, or NULL: R says why. SOCKET: where the scan listens. The exit status:
 * success if it was told, even that the directory cannot be opened. */
int opener_run(int r, Root *root, const char *socket);
