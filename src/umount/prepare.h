/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Has bootkeepd finish what is owed on the volume TARGET (a mount point or a device) and let go of it,
 * however long it takes. 0: it may be unmounted, also because there is nobody to ask. -EBUSY: the daemon
 * refuses, with *RET_WHY in its words (may be NULL). */
int prepare_volume(const char *target, char **ret_why);
