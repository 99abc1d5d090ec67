/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How each file is put on the helper, and in which order. */

#include "builder/transaction/steps.h"

#include "base/error.h"
#include "helper/entry.h"
#include "tree/fingerprint.h"

/* Takes what STEP owns. */
static int add_step(HelperPlan *plan, HelperStep *step) {
        assert((step->kind == STEP_BESIDE) == (step->beside != NULL));
        if (grow(plan->steps, plan->n_steps) < 0) {
                free(step->beside);
                return error_origin(-ENOMEM);
        }
        plan->steps[plan->n_steps++] = *step;
        return 0;
}

static StepKind kind_of_step(const WantedFile *f, const HelperView *view) {
        if (view->standing == STANDING_EQUAL)
                return STEP_ADOPT;
        if (f->role != ROLE_ENTRY || view->standing == STANDING_ABSENT || view->blocked)
                return STEP_RENAME;
        return view->sector && f->size == ENTRY_SECTOR ? STEP_OVERWRITE : STEP_BESIDE;
}

static int name_beside(const WantedFile *f, char **ret) {
        char hex[FINGERPRINT_HEX_MAX], suffix[9];
        (void) snprintf(suffix, sizeof(suffix), "%.8s", fingerprint_to_hex(&f->content, hex));
        return entry_sibling(f->path, suffix, ret);
}

static int plan_file(PlanDraft *d, const WantedFile *f, const HelperView *view) {
        if (view->standing == STANDING_SAME)
                return 0;
        HelperStep step = {
                .kind = kind_of_step(f, view),
                .role = f->role,
                .path = f->path,
                .content = f->content,
                .size = f->size,
                .text = f->text,
                .source = f->source,
                .wanted = f,
                .foreign = view->standing == STANDING_OTHER && !view->blocked &&
                           !claim_covers(d->in->claim, f->path, NULL),
        };
        if (step.kind == STEP_BESIDE && name_beside(f, &step.beside) < 0)
                return error_origin(-ENOMEM);
        return add_step(d->plan, &step);
}

static int plan_role(PlanDraft *d, CopyRole role) {
        const WantedSet *wanted = d->in->wanted;
        for (size_t i = 0; i < wanted->n; i++) {
                int r = wanted->items[i].role == role ? plan_file(d, &wanted->items[i], &d->in->views[i]) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The old entries under their second name, while their files are still there. */
static int plan_kept_entries(PlanDraft *d) {
        for (size_t i = 0; i < d->plan->kept.n; i++) {
                const KeptFile *f = &d->plan->kept.items[i];
                HelperStep step = {
                        .kind = STEP_RENAME,
                        .role = f->role,
                        .path = f->path,
                        .content = f->content,
                        .size = f->size,
                        .text = f->text,
                };
                int r = f->text ? add_step(d->plan, &step) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

int steps_plan(PlanDraft *d) {
        assert(d->plan->n_steps == 0);
        int r = plan_role(d, ROLE_REQUIRED);
        if (r >= 0)
                r = plan_kept_entries(d);
        if (r >= 0)
                r = plan_role(d, ROLE_ENTRY);
        if (r >= 0)
                r = plan_role(d, ROLE_BOOTER);
        return r < 0 ? r : plan_role(d, ROLE_MISC);
}
