/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a build in a unit of its own has ended, from what systemd says about it: pure. */

#include "base/util.h"

typedef struct UnitEnd {
        int status;      /* exit status, or 128 + signal */
        const char *why; /* static: if systemd ended it, that and why; else NULL */
        bool began;      /* false: bootkeep-build was never executed, whatever else is here */
} UnitEnd;

/* RESULT, CODE and STATUS are $SERVICE_RESULT, $EXIT_CODE and $EXIT_STATUS of systemd.exec(5). What is none
 * of what is written there has not begun. */
UnitEnd unitend_of(const char *result, const char *code, const char *status);
