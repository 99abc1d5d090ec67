/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include "base/path.h"

void error_log_origin(int r, const char *file, int line, const char *function) {
        assert(r < 0 && file && function);
        log_send(LOG_DEBUG, &(const LogFields){.error = r}, "%s() (%s:%i): %s", function, path_last(file),
                 line, strerror(-r));
}
