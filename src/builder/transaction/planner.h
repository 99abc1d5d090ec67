/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The plan of a helper while it is made: what the parts of the decision share. */

#include "builder/transaction/helperplan.h"

typedef struct Planner {
        const HelperPlanInput *in;
        NameMap wanted;     /* WantedFile by name on the helper */
        NameMap kept;       /* names of `plan->kept` */
        NameMap dropped;    /* names of `drop` */
        StrvBuilder drop;   /* becomes `plan->drop` */
        StrvBuilder remove; /* becomes `plan->remove` */
        HelperPlan *plan;
} Planner;

int planner_init(Planner *p, const HelperPlanInput *in, HelperPlan *plan); /* borrows both; -ENOMEM */
void planner_done(Planner *p);

/* Is there a file of this name in the wanted set, in the kept one, among those that go first? */
bool planner_wants(const Planner *p, const char *path);
bool planner_keeps(const Planner *p, const char *path);
bool planner_drops(const Planner *p, const char *path);

/* PATH, which stands there, goes before anything is written. -ENOMEM. */
int planner_drop(Planner *p, const char *path);
