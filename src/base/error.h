/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where an errno began: `return error_origin(-EINVAL)` is `return -EINVAL` that also says, at debug level, in
 * which function of which file that was. Code that only passes on an error does not use it. So an "Invalid
 * argument" that ends up in the log can be followed with BOOTKEEP_LOG_LEVEL=debug.
 *
 * Not for anything below the logger (util, escape), nor for anything pure (daemon/core). */

#include "base/log.h"

#define error_origin(r) error_note_origin((r), __FILE__, __LINE__, __func__)

void error_log_origin(int r, const char *file, int line, const char *function);

/* Returns R. Changes nothing, errno included. */
static inline int error_note_origin(int r, const char *file, int line, const char *function) {
        if (r < 0 && log_max_level() >= LOG_DEBUG)
                error_log_origin(r, file, line, function);
        return r;
}
