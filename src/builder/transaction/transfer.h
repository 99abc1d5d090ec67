/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "base/log.h"
#include "base/progress.h"
#include "builder/transaction/helperplan.h"
#include "helper/privatemount.h"

/* A plan being carried out on one helper: staged as a whole first, then switched. */
typedef struct Transfer {
        const HelperPlan *plan;
        const PrivateMount *mount;
        int volume; /* root directory of the volume, where the files come from */
        Interrupt *interrupt;
        Progress *progress;
        LogFields fields; /* for warnings */
        char **staged;    /* one for each step: its temporary, NULL: none (any more) */
        char **beside;    /* likewise of the second copy of STEP_BESIDE */
        bool *failed;     /* misc files that could not be written */
        uint64_t bytes;   /* copied */
} Transfer;

/* Sets the last three fields up; the others are the caller's. -ENOMEM. */
int transfer_init(Transfer *t);
void transfer_done(Transfer *t);

/* Afterwards everything new is complete and durable under temporary names; nothing that is read at boot is
 * changed. -EINTR: interrupted; -EAGAIN: a source changed meanwhile; other errno. transfer_discard undoes
 * it. */
int transfer_stage(Transfer *t, char **reterr);
/* Every step by its recipe, in order. On failure every state in between is bootable. */
int transfer_switch(Transfer *t, char **reterr);
/* Removes the remaining temporary files. */
void transfer_discard(Transfer *t);
