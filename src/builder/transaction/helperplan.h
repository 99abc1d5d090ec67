/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/helperrecord.h"

/* What is to be done on one helper: what is written, what is switched how, what goes. Pure: it is given what
 * was found there and decides; update.h finds and does. */

typedef enum Standing { /* what stands on the helper under a wanted file's name */
                        STANDING_ABSENT,
                        STANDING_SAME,  /* what is wanted; the record vouches for it */
                        STANDING_EQUAL, /* what is wanted; found by reading it */
                        STANDING_OTHER,
} Standing;

typedef struct HelperView {
        Standing standing;
        bool sector;  /* a regular file of ENTRY_SECTOR bytes */
        bool blocked; /* a directory stands in its place, or a file on the way to it */
} HelperView;

typedef struct HelperPlanInput {
        const HelperSet *wanted; /* named, see helper_set_name, and dated */
        const HelperView *views; /* one for each of WANTED */
        const HelperRecord *record;
        const HelperSet *entries; /* entries that RECORD carries: path, boot, and text as it stands there */
        const HelperSet *left;    /* what RECORD calls ours and stands there, see look_at_left */
        const char *boot_id;      /* of this boot */
        const char *cmdline;      /* of the kernel in this boot; NULL: not known */
        bool running;             /* the volume is what the machine was booted from */
        bool force;               /* no guards */
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

typedef struct HelperStep {
        StepKind kind;
        const HelperFile *file; /* of WANTED or of the plan's own PREVIOUS */
        char *beside;           /* STEP_BESIDE: the name meanwhile */
        bool foreign;           /* replaces what bootkeep did not write */
} HelperStep;

typedef struct HelperPlan {
        HelperStep *steps; /* in the order of the switch */
        size_t n_steps;
        char **drop;   /* strv: what of earlier builds is in the way, or goes before anything is written, to
                        * make room
                        */
        char **remove; /* strv: go last; entries before what they name */
        HelperSet previous; /* kept for what was booted; with `text`: to be written */
        uint64_t bytes;     /* to be copied */
        uint64_t needed;    /* bytes on the helper, in whole blocks */
        bool without_misc;  /* misc files are left out: no room */
} HelperPlan;

HelperPlan *helper_plan_free(HelperPlan *p);
DEFINE_CLEANUP(HelperPlan *, helper_plan_free);

/* Gives each of WANTED its boot: that of the record where it stands already, else BOOT_ID. */
int helper_plan_date(HelperSet *wanted, const HelperRecord *record, const char *boot_id);

/* Says of each of WANTED whether what stands there is somebody else's, see HelperFile. What has a name of its
 * content and what names such files nobody else can have written. -ENOMEM. */
int helper_plan_claim(HelperSet *wanted, const HelperView *views, const HelperRecord *record);

/* 0; -EPERM: a guard holds it; -EEXIST: something is in the way; -ENOSPC; *RETERR says why. -ENOMEM. */
int helper_plan_new(const HelperPlanInput *input, HelperPlan **ret, char **reterr);

/* "40.2 MiB" */
#define SIZE_TEXT_MAX 32
char *size_to_text(uint64_t size, char buffer[static SIZE_TEXT_MAX]);
