/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

void error_log_origin(int r, const char *file, int line, const char *function) {
        const char *name = strrchr(file, '/');
        log_send(LOG_DEBUG, &(const LogFields){.error = r}, "%s() (%s:%i): %s", function,
                 name ? name + 1 : file, line, strerror(-r));
}
