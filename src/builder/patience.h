/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"

/* How to wait for a lock. */
typedef struct Patience {
        Interrupt *interrupt;         /* ends it */
        void (*beat)(void *userdata); /* called once a second meanwhile: waiting is not hanging */
        void *userdata;
} Patience;
