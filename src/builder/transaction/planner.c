/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/transaction/planner.h"

#include "base/error.h"

int planner_init(Planner *p, const HelperPlanInput *in, HelperPlan *plan) {
        *p = (Planner){.in = in, .plan = plan};
        return wanted_set_map(in->wanted, &p->wanted);
}

void planner_done(Planner *p) {
        name_map_done(&p->wanted);
        name_map_done(&p->kept);
        name_map_done(&p->dropped);
        strv_builder_done(&p->drop);
        strv_builder_done(&p->remove);
}

bool planner_wants(const Planner *p, const char *path) {
        return name_map_get(&p->wanted, path);
}

bool planner_keeps(const Planner *p, const char *path) {
        return name_map_get(&p->kept, path);
}

bool planner_drops(const Planner *p, const char *path) {
        return name_map_get(&p->dropped, path);
}

int planner_drop(Planner *p, const char *path) {
        if (strv_builder_extend(&p->drop, path) < 0)
                return error_origin(-ENOMEM);
        const char *name = p->drop.items[p->drop.n - 1];
        return name_map_put(&p->dropped, name, name) < 0 ? error_origin(-ENOMEM) : 0;
}
