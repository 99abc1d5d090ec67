/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/claim.h"
#include "helper/look.h"

/* What to do on one helper: what is written, how it is switched, what is removed; and what that decision is
 * based on (decision.h). */

typedef struct HelperPlanInput {
        const WantedSet *wanted; /* named */
        const HelperView *views; /* one for each of WANTED */
        const HelperRecord *record;
        const Claim *claim;     /* of RECORD */
        const SeenSet *entries; /* that RECORD carries, see look_at_entries */
        const SeenSet *left;    /* what RECORD lists as ours and exists, see look_at_ours */
        const char *boot_id;    /* of this boot */
        const char *cmdline;    /* of the kernel in this boot */
        bool running;           /* the volume is what the machine was booted from */
        bool force;             /* no guards */
        uint64_t block_size;
        uint64_t available;     /* bytes free on the helper */
        unsigned n_directories; /* to be made */
} HelperPlanInput;

typedef enum StepKind {
        STEP_ADOPT,     /* it is there: make it durable */
        STEP_RENAME,    /* stage, rename */
        STEP_OVERWRITE, /* an entry: one sector in place */
        STEP_BESIDE,    /* an entry: stage, put it next to the old one, then replace that */
} StepKind;

/* One file to be put on the helper. Borrows everything except BESIDE. */
typedef struct HelperStep {
        StepKind kind;
        CopyRole role;
        const char *path; /* on the helper */
        Fingerprint content;
        uint64_t size;
        const char *text;         /* for an entry: what is written; else it is copied from … */
        const char *source;       /* … the volume */
        const WantedFile *wanted; /* what it carries out; NULL: an entry of the kept set */
        char *beside;             /* for STEP_BESIDE only: the intermediate name */
        bool foreign;             /* replaces what bootkeep did not write */
} HelperStep;

typedef struct HelperPlan {
        HelperStep *steps; /* in the order of the switch */
        size_t n_steps;
        char **drop;   /* strv: what is in the way from earlier builds, or makes room: removed before anything
                          is written */
        char **remove; /* strv: removed last; entries before what they name */
        KeptSet kept;  /* for what was booted */
        uint64_t bytes;    /* to be copied */
        uint64_t needed;   /* bytes on the helper, in whole blocks */
        bool without_misc; /* misc files are left out: no room */
} HelperPlan;

HelperPlan *helper_plan_free(HelperPlan *p);
DEFINE_CLEANUP(HelperPlan *, helper_plan_free);

void helper_plan_clear_steps(HelperPlan *p);
bool helper_plan_is_empty(const HelperPlan *p); /* there is nothing to do */
