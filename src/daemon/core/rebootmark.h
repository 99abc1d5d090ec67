/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /run/reboot-required, by which Debian's programs tell each other that the machine should be booted again,
 * and reboot-required.pkgs beside it, which lists who wants it. Others write them as well: what they wrote is
 * never taken back. Pure. */

#include <stdbool.h>

/* What is there. */
typedef struct RebootMark {
        bool exists;       /* the file */
        bool ours;         /* we made it, and nobody has written to it since */
        bool lists_us;     /* .pkgs has our line */
        bool lists_others; /* it has another, or cannot be read */
} RebootMark;

typedef enum RebootMarkAct {
        REBOOTMARK_MAKE = 1,   /* the file */
        REBOOTMARK_LIST = 2,   /* add our line */
        REBOOTMARK_UNLIST = 4, /* remove our line */
        REBOOTMARK_REMOVE = 8, /* the file */
} RebootMarkAct;

/* RebootMarkAct, any number of them, in this order. WANTED: the machine should be booted again. */
unsigned rebootmark_decide(const RebootMark *mark, bool wanted);
