/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/transaction/plandraft.h"

#include "base/error.h"

int plandraft_init(PlanDraft *d, const HelperPlanInput *in, HelperPlan *plan) {
        assert(in && plan && plan->n_steps == 0);
        *d = (PlanDraft){.in = in, .plan = plan};
        return wanted_set_map(in->wanted, &d->wanted);
}

void plandraft_done(PlanDraft *d) {
        name_map_done(&d->wanted);
        name_map_done(&d->kept);
        name_map_done(&d->dropped);
        strv_builder_done(&d->drop);
        strv_builder_done(&d->remove);
}

bool plandraft_wants(const PlanDraft *d, const char *path) {
        return name_map_get(&d->wanted, path);
}

bool plandraft_keeps(const PlanDraft *d, const char *path) {
        return name_map_get(&d->kept, path);
}

bool plandraft_drops(const PlanDraft *d, const char *path) {
        return name_map_get(&d->dropped, path);
}

int plandraft_drop(PlanDraft *d, const char *path) {
        assert(!plandraft_drops(d, path));
        if (strv_builder_extend(&d->drop, path) < 0)
                return error_origin(-ENOMEM);
        const char *name = d->drop.items[d->drop.n - 1];
        return name_map_put(&d->dropped, name, name) < 0 ? error_origin(-ENOMEM) : 0;
}
