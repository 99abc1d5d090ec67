/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Has bootkeepd complete the work owed on the volume TARGET (a mount point or a device) and release it,
 * however long that takes. 0: it may be unmounted, possibly because there is nobody to ask. -EBUSY: the
 * daemon refuses, with *RET_WHY in its words (may be NULL). */
int prepare_volume(const char *target, char **ret_why);
