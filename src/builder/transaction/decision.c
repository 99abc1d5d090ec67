/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Safety is in the order: files that an entry names are written before the entry, removals come after
 * everything, and an entry is removed before the files it names. */

#include "builder/transaction/decision.h"

#include "base/error.h"
#include "builder/transaction/guard.h"
#include "builder/transaction/keep.h"
#include "builder/transaction/obstacles.h"
#include "builder/transaction/plandraft.h"
#include "builder/transaction/removal.h"
#include "builder/transaction/room.h"
#include "builder/transaction/steps.h"

static int make_parts(PlanDraft *d, char **reterr) {
        int r = guard_helper(d->in, reterr);
        if (r >= 0 && d->in->running)
                r = keep_booted_set(d);
        if (r >= 0)
                r = obstacles_drop(d, reterr);
        if (r >= 0)
                r = steps_plan(d);
        if (r >= 0)
                r = room_make(d, reterr);
        if (r >= 0)
                r = removal_plan(d);
        return r;
}

static void assert_input(const HelperPlanInput *in) {
        assert(in->wanted && in->record && in->claim && in->entries && in->left);
        assert(in->views || in->wanted->n == 0);
        assert(in->boot_id && in->cmdline);
        assert(in->block_size > 0);
        assert(wanted_set_is_named(in->wanted));
}

int decision_make(const HelperPlanInput *in, HelperPlan **ret, char **reterr) {
        assert_input(in);
        _cleanup_(helper_plan_freep) HelperPlan *plan = calloc(1, sizeof(*plan));
        _cleanup_(plandraft_done) PlanDraft d = {};
        if (!plan || plandraft_init(&d, in, plan) < 0)
                return error_origin(-ENOMEM);
        int r = make_parts(&d, reterr);
        if (r >= 0)
                r = strv_builder_finish(&d.drop, &plan->drop);
        if (r >= 0)
                r = strv_builder_finish(&d.remove, &plan->remove);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(plan);
        return 0;
}
