/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "freshness/freshness.h"
#include "helper/helperrecord.h"

/* The number for which a stamp has room in a record of both the old and the new set. */
#define CARRY_FILES_MAX 16384U

typedef struct Carry {
        const FreshnessContext *context;
        const Helper *helper;
        const HelperRecord *record; /* known contents, by source and description */
        bool read_all;              /* trust none of them */
        Interrupt *interrupt;
} Carry;

/* What the helper should carry according to the plan and the present volume, without names on the helper
 * (naming.h): a directory is given by its regular files. Entries contain their text. Negative errno, *RETERR
 * says which file: missing, a link in a tree, an entry too big, …; -EAGAIN: it is changing; -EINTR; for misc
 * files a warning is logged and the file is left out. */
int carry_gather(const Carry *c, WantedSet *ret, char **reterr);

/* Opens SOURCE, a file of the set, on the volume ROOT for copying. -EAGAIN: it is no longer there. */
int carry_open(int root, const char *source, int *ret_fd);
