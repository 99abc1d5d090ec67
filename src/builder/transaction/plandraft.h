/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The plan of a helper while it is being made: shared by the parts of the decision. */

#include "builder/transaction/helperplan.h"

typedef struct PlanDraft {
        const HelperPlanInput *in;
        NameMap wanted;     /* WantedFile by name on the helper */
        NameMap kept;       /* names of `plan->kept` */
        NameMap dropped;    /* names of `drop` */
        StrvBuilder drop;   /* becomes `plan->drop` */
        StrvBuilder remove; /* becomes `plan->remove` */
        HelperPlan *plan;
} PlanDraft;

int plandraft_init(PlanDraft *d, const HelperPlanInput *in, HelperPlan *plan); /* borrows both; -ENOMEM */
void plandraft_done(PlanDraft *d);

/* Is there a file of this name in the wanted set, in the kept one, or among those removed first? */
bool plandraft_wants(const PlanDraft *d, const char *path);
bool plandraft_keeps(const PlanDraft *d, const char *path);
bool plandraft_drops(const PlanDraft *d, const char *path);

/* PATH, which exists, is removed before anything is written. -ENOMEM. */
int plandraft_drop(PlanDraft *d, const char *path);
