/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* HoldWhileLocked=: is one of these files locked by anybody (fcntl, open file description or flock)? Asked of
 * /proc/locks, so no lock is ever taken and no file opened. Returns its path, borrowed from PATHS, or NULL.
 */
const char *packages_locked(char *const *paths);
