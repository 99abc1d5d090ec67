/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Who is told when something begins to be between two sets, an output or a helper, and when it no longer is.
 */
typedef struct Between {
        void (*tell)(void *userdata, bool between);
        void *userdata;
} Between;

/* B may be NULL: nobody is told. */
static inline void between_tell(const Between *b, bool between) {
        if (b)
                b->tell(b->userdata, between);
}
