/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/transaction/draft.h"

#include "base/error.h"

int draft_init(Draft *d, const HelperPlanInput *in, HelperPlan *plan) {
        *d = (Draft){.in = in, .plan = plan};
        return wanted_set_map(in->wanted, &d->wanted);
}

void draft_done(Draft *d) {
        name_map_done(&d->wanted);
        name_map_done(&d->kept);
        name_map_done(&d->dropped);
        strv_builder_done(&d->drop);
        strv_builder_done(&d->remove);
}

bool draft_wants(const Draft *d, const char *path) {
        return name_map_get(&d->wanted, path);
}

bool draft_keeps(const Draft *d, const char *path) {
        return name_map_get(&d->kept, path);
}

bool draft_drops(const Draft *d, const char *path) {
        return name_map_get(&d->dropped, path);
}

int draft_drop(Draft *d, const char *path) {
        if (strv_builder_extend(&d->drop, path) < 0)
                return error_origin(-ENOMEM);
        const char *name = d->drop.items[d->drop.n - 1];
        return name_map_put(&d->dropped, name, name) < 0 ? error_origin(-ENOMEM) : 0;
}
