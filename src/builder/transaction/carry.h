/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "builder/transaction/helperrecord.h"
#include "freshness/freshness.h"

#define CARRY_FILES_MAX 65536U

typedef struct Carry {
        const FreshnessContext *context;
        const Helper *helper;
        const HelperRecord *record; /* contents known from earlier, by source and description */
        bool read_all;              /* trust none of them */
        Interrupt *interrupt;
} Carry;

/* What the helper is to carry by the plan and the volume as it is now, names not yet given (helper_set_name):
 * a directory is its regular files. Entries hold their text. Negative errno, *RETERR says which file:
 * missing, a link in a tree, an entry too big, …; -EAGAIN: it changes just now; -EINTR; of misc a warning is
 * logged and the file left out. */
int carry_gather(const Carry *c, HelperSet *ret, char **reterr);

/* Opens a file of the set on the volume for copying. -EAGAIN: it is no longer there. */
int carry_open(int root, const HelperFile *file, int *ret_fd);
