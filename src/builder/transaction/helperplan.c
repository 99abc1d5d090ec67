/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/transaction/helperplan.h"

void helper_plan_clear_steps(HelperPlan *p) {
        assert(p->steps || p->n_steps == 0);
        for (size_t i = 0; i < p->n_steps; i++)
                free(p->steps[i].beside);
        free(p->steps);
        p->steps = NULL;
        p->n_steps = 0;
}

HelperPlan *helper_plan_free(HelperPlan *p) {
        if (!p)
                return NULL;
        helper_plan_clear_steps(p);
        (void) strv_free(p->drop);
        (void) strv_free(p->remove);
        kept_set_done(&p->kept);
        free(p);
        return NULL;
}

bool helper_plan_is_empty(const HelperPlan *p) {
        return p->n_steps == 0 && !p->remove && !p->drop && !p->without_misc;
}
