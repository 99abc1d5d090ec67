/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"

/* How somebody waits for a lock. */
typedef struct Patience {
        Interrupt *interrupt;         /* ends it */
        void (*beat)(void *userdata); /* called once a second while it lasts: to wait is not to hang */
        void *userdata;
} Patience;
