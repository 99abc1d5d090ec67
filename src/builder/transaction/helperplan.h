/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/claim.h"
#include "helper/look.h"

/* What is to be done on one helper: what is written, what is switched how, what goes; and what that is
 * decided from (decision.h). */

typedef struct HelperPlanInput {
        const WantedSet *wanted; /* named */
        const HelperView *views; /* one for each of WANTED */
        const HelperRecord *record;
        const Claim *claim;     /* of RECORD */
        const SeenSet *entries; /* that RECORD carries, see look_at_entries */
        const SeenSet *left;    /* what RECORD calls ours and stands there, see look_at_ours */
        const char *boot_id;    /* of this boot */
        const char *cmdline;    /* of the kernel in this boot */
        bool running;           /* the volume is what the machine was booted from */
        bool force;             /* no guards */
        uint64_t block_size;
        uint64_t available;     /* bytes free on the helper */
        unsigned n_directories; /* to be made */
} HelperPlanInput;

typedef enum StepKind {
        STEP_ADOPT,     /* it is there: make that durable */
        STEP_RENAME,    /* stage, rename */
        STEP_OVERWRITE, /* an entry: one sector in place */
        STEP_BESIDE,    /* an entry: stage, stand beside the old one, then replace it */
} StepKind;

/* One file that comes to stand on the helper. Borrows but for BESIDE. */
typedef struct HelperStep {
        StepKind kind;
        CopyRole role;
        const char *path; /* on the helper */
        Fingerprint content;
        uint64_t size;
        const char *text;         /* of an entry: what is written; else it is copied from … */
        const char *source;       /* … the volume */
        const WantedFile *wanted; /* what it carries out; NULL: an entry of the kept set */
        char *beside;             /* STEP_BESIDE, and only that: the name meanwhile */
        bool foreign;             /* replaces what bootkeep did not write */
} HelperStep;

typedef struct HelperPlan {
        HelperStep *steps; /* in the order of the switch */
        size_t n_steps;
        char **drop;     /* strv: what of earlier builds is in the way, or makes room: goes before anything is
                          * written */
        char **remove;   /* strv: go last; entries before what they name */
        KeptSet kept;    /* for what was booted */
        uint64_t bytes;  /* to be copied */
        uint64_t needed; /* bytes on the helper, in whole blocks */
        bool without_misc; /* misc files are left out: no room */
} HelperPlan;

HelperPlan *helper_plan_free(HelperPlan *p);
DEFINE_CLEANUP(HelperPlan *, helper_plan_free);

void helper_plan_clear_steps(HelperPlan *p);
bool helper_plan_is_empty(const HelperPlan *p); /* nothing is to be done */
