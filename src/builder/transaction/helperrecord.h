/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/helperset.h"
#include "freshness/stamp.h"

/* What is known of a helper from the last build: the lines of its stamp that are bootkeep-build's own.
 *
 *   state intent                 a build was under way: what stands there may be of either set
 *   filesystem UUID
 *   carries ROLE PATH HEX SIZE BOOT TO SOURCE DESCRIPTION
 *   adopts …                     the same of a file that somebody else wrote
 *   previous ROLE PATH HEX SIZE BOOT   kept for what was booted in that boot
 *   ours PATH                    may be there and is ours to remove
 *   made PATH                    a directory that we made */
typedef struct HelperRecord {
        bool intent;
        char *filesystem;
        HelperSet carried;
        HelperSet previous; /* without `to`, source and description */
        char **ours;        /* strv */
        char **made;        /* strv */
} HelperRecord;

#define HELPER_RECORD_NULL ((HelperRecord){})
void helper_record_done(HelperRecord *r);

/* Takes what STAMP says. A stamp that is not understood is as good as none: -EBADMSG, *RET is untouched. */
int helper_record_read(const Stamp *stamp, HelperRecord *ret);

/* Adds the lines of R to STAMP. */
int helper_record_add(const HelperRecord *r, Stamp *stamp);
