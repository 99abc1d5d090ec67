/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The plan of a helper while it is made: what the parts of the decision share. */

#include "builder/transaction/helperplan.h"

typedef struct Draft {
        const HelperPlanInput *in;
        NameMap wanted;     /* WantedFile by name on the helper */
        NameMap kept;       /* names of `plan->kept` */
        NameMap dropped;    /* names of `drop` */
        StrvBuilder drop;   /* becomes `plan->drop` */
        StrvBuilder remove; /* becomes `plan->remove` */
        HelperPlan *plan;
} Draft;

int draft_init(Draft *d, const HelperPlanInput *in, HelperPlan *plan); /* borrows both; -ENOMEM */
void draft_done(Draft *d);

/* Is there a file of this name in the wanted set, in the kept one, among those that go first? */
bool draft_wants(const Draft *d, const char *path);
bool draft_keeps(const Draft *d, const char *path);
bool draft_drops(const Draft *d, const char *path);

/* PATH, which stands there, goes before anything is written. -ENOMEM. */
int draft_drop(Draft *d, const char *path);
