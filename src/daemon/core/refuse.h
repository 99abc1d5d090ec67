/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shall systemd refuse to go down? Pure: it knows neither systemd nor files, only what refusing.c tells it.
 */

#include <assert.h>

#include "base/util.h"

typedef struct RefuseFacts {
        bool setting;       /* Refuse= of bootkeep.conf(5) */
        bool owed;          /* a volume is busy */
        bool reboot_locked; /* a client goes down with our consent */
        bool preparing;     /* the system is going down already */
        bool refusing;      /* systemd refuses now */
        bool reloaded;      /* the last time systemd had to be reloaded for it */
        uint64_t since;     /* when it last began to; 0: never */
} RefuseFacts;

/* USEC_INFINITY in *RET_AGAIN, or when to ask again though nothing else has happened. */
bool refuse_wanted(const RefuseFacts *facts, uint64_t now, uint64_t *ret_again);
