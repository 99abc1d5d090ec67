/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/helperplan.h"

/* What the record of a helper says while a plan is carried out, and after it. Pure. */

/* Before the first write: old and new names are ours from here on, and what is kept is kept. A stranger's
 * file is not ours before it is replaced. */
int next_record_intent(const HelperRecord *old, const HelperPlan *plan, char *const *directories,
                       HelperRecord *ret);

/* How it went. */
typedef struct Outcome {
        const WantedSet *wanted; /* named */
        const HelperView *views; /* as it was seen before, one for each of WANTED */
        const HelperRecord *old;
        const Claim *claim;     /* of OLD */
        const KeptSet *kept;    /* by the plan */
        const bool *failed;     /* one for each of WANTED: misc files that could not be written; NULL: none */
        char *const *unremoved; /* strv: what was to go and is there still */
        char *const *made;      /* strv: directories of ours that are there */
        const char *boot_id;    /* of this boot */
} Outcome;

/* After the last one: what is carried, since when, and whose it is. Of what failed only that is ours which
 * was ours before, or can only be there by us. */
int next_record_final(const Outcome *o, HelperRecord *ret);
