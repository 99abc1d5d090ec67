/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is removed last: everything that is ours and neither in the new set nor in the kept one. */

#include "builder/transaction/removal.h"

#include "base/error.h"

static int remove_unless_needed(PlanDraft *d, const char *path) {
        if (plandraft_wants(d, path) || plandraft_keeps(d, path) || plandraft_drops(d, path) ||
            !claim_covers(d->in->claim, path, NULL))
                return 0;
        return strv_builder_extend(&d->remove, path) < 0 ? error_origin(-ENOMEM) : 0;
}

static int remove_carried(PlanDraft *d, bool entries) {
        const CarriedSet *s = &d->in->record->carried;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < s->n; i++)
                if ((s->items[i].role == ROLE_ENTRY) == entries)
                        r = remove_unless_needed(d, s->items[i].path);
        return r;
}

static int remove_kept(PlanDraft *d, bool entries) {
        const KeptSet *s = &d->in->record->kept;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < s->n; i++)
                if ((s->items[i].role == ROLE_ENTRY) == entries)
                        r = remove_unless_needed(d, s->items[i].path);
        return r;
}

/* What an interrupted build may have left behind, in the order of its steps: so the last is removed first. */
static int remove_ours(PlanDraft *d) {
        char *const *ours = d->in->record->ours;
        int r = 0;
        for (size_t i = strv_length(ours); r >= 0 && i > 0; i--)
                r = remove_unless_needed(d, ours[i - 1]);
        return r;
}

int removal_plan(PlanDraft *d) {
        assert(d->remove.n == 0);
        int r = remove_carried(d, true);
        if (r >= 0)
                r = remove_kept(d, true);
        if (r >= 0)
                r = remove_ours(d);
        if (r >= 0)
                r = remove_carried(d, false);
        return r < 0 ? r : remove_kept(d, false);
}
