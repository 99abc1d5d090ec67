/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/helperplan.h"

/* The record of a helper while a plan is carried out, and afterwards. Pure. */

/* Before the first write: old and new names are ours from here on, and kept files are kept. A file that
 * somebody else wrote is not ours until it is replaced. */
int next_record_intent(const HelperRecord *old, const HelperPlan *plan, char *const *directories,
                       HelperRecord *ret);

/* The result. */
typedef struct Outcome {
        const WantedSet *wanted; /* named */
        const HelperView *views; /* as seen before, one for each of WANTED */
        const HelperRecord *old;
        const Claim *claim;     /* of OLD */
        const KeptSet *kept;    /* by the plan */
        const bool *failed;     /* one for each of WANTED: misc files that could not be written; NULL: none */
        char *const *unremoved; /* strv: files that should have been removed and still exist */
        char *const *made;      /* strv: directories of ours that exist */
        const char *boot_id;    /* of this boot */
} Outcome;

/* After the last write: what is carried, since when, and whose it is. Of files that failed only those are
 * ours that were ours before, or that only we can have put there. */
int next_record_final(const Outcome *o, HelperRecord *ret);
