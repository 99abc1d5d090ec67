/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What goes last: all that is ours and that neither the new set nor the kept one has. */

#include "builder/transaction/removal.h"

#include "base/error.h"

static int remove_unless_needed(Planner *p, const char *path) {
        if (planner_wants(p, path) || planner_keeps(p, path) || planner_drops(p, path) ||
            !claim_covers(p->in->claim, path, NULL))
                return 0;
        return strv_builder_extend(&p->remove, path) < 0 ? error_origin(-ENOMEM) : 0;
}

static int remove_carried(Planner *p, bool entries) {
        const CarriedSet *s = &p->in->record->carried;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < s->n; i++)
                if ((s->items[i].role == ROLE_ENTRY) == entries)
                        r = remove_unless_needed(p, s->items[i].path);
        return r;
}

static int remove_kept(Planner *p, bool entries) {
        const KeptSet *s = &p->in->record->kept;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < s->n; i++)
                if ((s->items[i].role == ROLE_ENTRY) == entries)
                        r = remove_unless_needed(p, s->items[i].path);
        return r;
}

/* What an interrupted build may have left, in the order of its steps: so the last goes first. */
static int remove_ours(Planner *p) {
        char *const *ours = p->in->record->ours;
        int r = 0;
        for (size_t i = strv_length(ours); r >= 0 && i > 0; i--)
                r = remove_unless_needed(p, ours[i - 1]);
        return r;
}

int removal_plan(Planner *p) {
        int r = remove_carried(p, true);
        if (r >= 0)
                r = remove_kept(p, true);
        if (r >= 0)
                r = remove_ours(p);
        if (r >= 0)
                r = remove_carried(p, false);
        return r < 0 ? r : remove_kept(p, false);
}
