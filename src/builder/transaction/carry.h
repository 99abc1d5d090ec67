/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "freshness/freshness.h"
#include "helper/helperrecord.h"

/* So many that a stamp has room for the record of old and new set. */
#define CARRY_FILES_MAX 16384U

typedef struct Carry {
        const FreshnessContext *context;
        const Helper *helper;
        const HelperRecord *record; /* contents known from earlier, by source and description */
        bool read_all;              /* trust none of them */
        Interrupt *interrupt;
} Carry;

/* What the helper is to carry by the plan and the volume as it is now, names not yet given (naming.h): a
 * directory is its regular files. Entries hold their text. Negative errno, *RETERR says which file: missing,
 * a link in a tree, an entry too big, …; -EAGAIN: it changes just now; -EINTR; of misc a warning is logged
 * and the file left out. */
int carry_gather(const Carry *c, WantedSet *ret, char **reterr);

/* Opens SOURCE, a file of the set, on the volume ROOT for copying. -EAGAIN: it is no longer there. */
int carry_open(int root, const char *source, int *ret_fd);
