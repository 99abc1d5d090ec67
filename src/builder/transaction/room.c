/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Room on the helper. If there is not enough, files that no set needs are removed first, then the kept set,
 * then misc files are left out; what is carried now is never given up. */

#include "builder/transaction/room.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/failure.h"
#include "builder/transaction/keep.h"
#include "builder/transaction/steps.h"

static uint64_t in_blocks(const PlanDraft *d, uint64_t size) {
        uint64_t block = d->in->block_size;
        return (size + block - 1) / block * block;
}

/* How many new files of its size a step creates. */
static unsigned count_copies(const HelperStep *s) {
        static const unsigned copies[] = {
                [STEP_ADOPT] = 0,
                [STEP_RENAME] = 1,
                [STEP_OVERWRITE] = 0,
                [STEP_BESIDE] = 2,
        };
        assert(s->kind < ELEMENTSOF(copies));
        return copies[s->kind];
}

static void add_up(PlanDraft *d) {
        HelperPlan *plan = d->plan;
        plan->bytes = 0;
        plan->needed = d->in->n_directories * in_blocks(d, 1);
        for (size_t i = 0; i < plan->n_steps; i++) {
                const HelperStep *s = &plan->steps[i];
                plan->needed += count_copies(s) * in_blocks(d, s->size);
                plan->bytes += count_copies(s) * s->size;
        }
}

/* What is carried now stays complete, and so does what an interrupted build has switched to. */
static bool is_in_use(const PlanDraft *d, const char *path) {
        const CarriedFile *carried = claim_carried(d->in->claim, path);
        return plandraft_wants(d, path) || (carried && !carried_file_is_named_by_content(carried)) ||
               seen_set_names(d->in->entries, path) || seen_set_names(d->in->left, path);
}

static int drop_unless_in_use(PlanDraft *d, const char *path, uint64_t size, uint64_t *available) {
        if (plandraft_drops(d, path) || !claim_covers(d->in->claim, path, NULL) || is_in_use(d, path))
                return 0;
        *available += in_blocks(d, size);
        return plandraft_drop(d, path);
}

/* Otherwise what an interrupted build wrote, or could not remove, might leave the next one without room for
 * ever. */
static int drop_unused(PlanDraft *d, uint64_t *available) {
        const SeenSet *left = d->in->left;
        const CarriedSet *carried = &d->in->record->carried;
        int r = 0;
        for (size_t i = left->n; r >= 0 && i > 0; i--) {
                const SeenFile *f = &left->items[i - 1];
                r = plandraft_keeps(d, f->path) ? 0 : drop_unless_in_use(d, f->path, f->size, available);
        }
        for (size_t i = 0; r >= 0 && i < carried->n; i++) {
                const CarriedFile *f = &carried->items[i];
                r = plandraft_keeps(d, f->path) ? 0 : drop_unless_in_use(d, f->path, f->size, available);
        }
        return r;
}

/* Its entries first. */
static int drop_kept(PlanDraft *d, uint64_t *available) {
        const KeptSet *kept = &d->in->record->kept;
        int r = 0;
        for (unsigned pass = 0; pass < 2; pass++)
                for (size_t i = 0; r >= 0 && i < kept->n; i++) {
                        const KeptFile *f = &kept->items[i];
                        if ((f->role == ROLE_ENTRY) == (pass == 0))
                                r = drop_unless_in_use(d, f->path, f->size, available);
                }
        return r;
}

static void leave_out_misc(HelperPlan *plan) {
        while (plan->n_steps > 0 && plan->steps[plan->n_steps - 1].role == ROLE_MISC) {
                assert(!plan->steps[plan->n_steps - 1].beside);
                plan->n_steps--;
        }
        plan->without_misc = true;
}

/* The same steps are made again: some of the old ones point into what was kept. */
static int plan_anew(PlanDraft *d) {
        int r = keep_forget_dropped(d);
        helper_plan_clear_steps(d->plan);
        return r < 0 ? r : steps_plan(d);
}

int room_make(PlanDraft *d, char **reterr) {
        HelperPlan *plan = d->plan;
        uint64_t available = d->in->available;
        char needed[BYTES_TEXT_MAX], free_text[BYTES_TEXT_MAX];
        add_up(d);
        if (plan->needed <= available)
                return 0;
        int r = drop_unused(d, &available);
        if (r >= 0 && plan->needed > available)
                r = drop_kept(d, &available);
        if (r >= 0)
                r = plan_anew(d);
        if (r < 0)
                return r;
        uint64_t whole = plan->needed;
        if (whole > available) {
                leave_out_misc(plan);
                add_up(d);
        }
        if (plan->needed > available)
                return failure(reterr, -ENOSPC, "%s needed, %s free", bytes_to_text(whole, needed),
                               bytes_to_text(available, free_text));
        assert(available >= d->in->available);
        return 0;
}
