/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order is the safety: what an entry names comes before the entry, what is removed comes after
 * everything, and an entry goes before what it names. */

#include "builder/transaction/helperplan.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/error.h"
#include "base/failure.h"
#include "builder/transaction/entry.h"
#include "builder/transaction/guard.h"
#include "builder/transaction/obstacles.h"

typedef struct Planner {
        const HelperPlanInput *in;
        HelperIndex wanted, carried, previous; /* by path; previous: of the record */
        HelperPlan *plan;
} Planner;

HelperPlan *helper_plan_free(HelperPlan *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_steps; i++)
                free(p->steps[i].beside);
        free(p->steps);
        (void) strv_free(p->drop);
        (void) strv_free(p->remove);
        helper_set_done(&p->previous);
        free(p);
        return NULL;
}

char *size_to_text(uint64_t size, char buffer[static SIZE_TEXT_MAX]) {
        static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
        double value = (double) size;
        size_t unit = 0;

        for (; value >= 1024 && unit + 1 < ELEMENTSOF(units); unit++)
                value /= 1024;
        (void) snprintf(buffer, SIZE_TEXT_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
        return buffer;
}

int helper_plan_date(HelperSet *wanted, const HelperRecord *record, const char *boot_id) {
        _cleanup_(helper_index_done) HelperIndex old = HELPER_INDEX_NULL;

        if (helper_index_init(&old, &record->carried, HELPER_KEY_PATH) < 0)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < wanted->n; i++) {
                HelperFile *f = &wanted->items[i];
                const HelperFile *o = helper_index_find(&old, f->path);
                bool same = o && fingerprint_equal(&o->content, &f->content);
                if (free_and_strdup(&f->boot, same ? o->boot : boot_id) < 0)
                        return error_origin(-ENOMEM);
        }
        return 0;
}

static bool contains_name(char *const *v, const char *path) {
        for (; v && *v; v++)
                if (strcasecmp(*v, path) == 0)
                        return true;
        return false;
}

/* Of a file that stands there and that no record says we carry. */
static bool is_foreign(const HelperFile *f, const HelperIndex *previous, char *const *ours) {
        return f->role != ROLE_ENTRY && streq(f->path, f->to) && !helper_index_find(previous, f->path) &&
               !contains_name(ours, f->path);
}

int helper_plan_claim(HelperSet *wanted, const HelperView *views, const HelperRecord *record) {
        _cleanup_(helper_index_done) HelperIndex carried = HELPER_INDEX_NULL, previous = HELPER_INDEX_NULL;

        if (helper_index_init(&carried, &record->carried, HELPER_KEY_PATH) < 0 ||
            helper_index_init(&previous, &record->previous, HELPER_KEY_PATH) < 0)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < wanted->n; i++) {
                HelperFile *f = &wanted->items[i];
                const HelperFile *old = helper_index_find(&carried, f->path);
                bool stands = views[i].standing == STANDING_SAME || views[i].standing == STANDING_EQUAL;
                f->foreign = stands && (old ? old->foreign : is_foreign(f, &previous, record->ours));
        }
        return 0;
}

/* ---- what stays for the boot that is running ---- */

static bool is_kept(const Planner *p, const char *path) {
        for (size_t i = 0; i < p->plan->previous.n; i++)
                if (strcasecmp(p->plan->previous.items[i].path, path) == 0)
                        return true;
        return false;
}

static int keep(Planner *p, const HelperFile *f, const char *boot, HelperFile *copy) {
        copy->role = f->role;
        copy->size = copy->text ? copy->size : f->size;
        copy->content = copy->text ? copy->content : f->content;
        if (!copy->path)
                copy->path = strdup(f->path);
        copy->boot = strdup(boot);
        if (!copy->path || !copy->boot) {
                helper_file_done(copy);
                return error_origin(-ENOMEM);
        }
        return helper_set_add(&p->plan->previous, copy);
}

/* Is F in the command line that the boot loader gave the kernel? Its name is of its content, so it tells
 * which set. */
static bool was_started(const HelperPlanInput *in, const HelperFile *f) {
        const char *name = strrchr(f->path, '/') + 1, *at = in->cmdline;
        size_t n = strlen(name);

        for (; at && (at = strstr(at, name)); at += n)
                if (!isalnum((unsigned char) at[n]))
                        return true;
        return false;
}

/* Who found that the new set does not boot has chosen the kept one, and must not lose it for one newer still.
 */
static bool kept_was_booted(const Planner *p) {
        const HelperSet *old = &p->in->record->previous;

        for (size_t i = 0; i < old->n; i++)
                if (old->items[i].role == ROLE_REQUIRED &&
                    !helper_index_find(&p->wanted, old->items[i].path) && was_started(p->in, &old->items[i]))
                        return true;
        return false;
}

/* Kept in this boot already, or booted from again. */
static int keep_kept(Planner *p) {
        const HelperSet *old = &p->in->record->previous;
        bool booted = kept_was_booted(p);

        for (size_t i = 0; i < old->n; i++) {
                HelperFile copy = {};
                const HelperFile *f = &old->items[i];
                if ((!booted && !streq(f->boot, p->in->boot_id)) || helper_index_find(&p->wanted, f->path))
                        continue;
                if (keep(p, f, p->in->boot_id, &copy) < 0)
                        return error_origin(-ENOMEM);
        }
        return 0;
}

/* Carried under a name of its content. */
static bool is_named_by_content(const HelperFile *f) {
        return f->role == ROLE_REQUIRED && f->to && !streq(f->path, f->to);
}

static int keep_if_named(Planner *p, const HelperFile *entry, const HelperFile *f) {
        HelperFile copy = {};

        if (helper_index_find(&p->wanted, f->path) || is_kept(p, f->path) ||
            !entry_has_word(entry->text, entry->size, f->path))
                return 0;
        return keep(p, f, p->in->boot_id, &copy);
}

/* The files of its own that ENTRY names. They are left, not carried, where a build wrote the entry that was
 * interrupted then. */
static int keep_named(Planner *p, const HelperFile *entry) {
        const HelperSet *old = &p->in->record->carried, *left = p->in->left;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < old->n; i++)
                if (is_named_by_content(&old->items[i]))
                        r = keep_if_named(p, entry, &old->items[i]);
        for (size_t i = 0; r >= 0 && i < left->n; i++)
                if (!helper_index_find(&p->carried, left->items[i].path))
                        r = keep_if_named(p, entry, &left->items[i]);
        return r;
}

static int make_previous(const HelperFile *entry, HelperFile *ret) {
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        size_t size = entry->size;

        ret->text = malloc(size + 1);
        if (!h || !ret->text || entry_sibling(entry->path, "previous", &ret->path) < 0)
                return error_origin(-ENOMEM);
        memcpy(ret->text, entry->text, size);
        ret->text[size] = 0;
        if (entry_pad(&ret->text, &size) < 0)
                return error_origin(-ENOMEM);
        hasher_update(h, ret->text, size);
        ret->content = hasher_digest(h);
        ret->size = size;
        return 0;
}

static int keep_entry(Planner *p, const HelperFile *entry) {
        HelperFile copy = {};
        int r = make_previous(entry, &copy);

        if (r < 0 || helper_index_find(&p->wanted, copy.path) || is_kept(p, copy.path)) {
                helper_file_done(&copy);
                return r;
        }
        r = keep(p, entry, p->in->boot_id, &copy);
        return r < 0 ? r : keep_named(p, entry);
}

/* An entry that stood there when this boot began, and is about to change or go. */
static int keep_booted(Planner *p) {
        const HelperSet *entries = p->in->entries;

        for (size_t i = 0; i < entries->n; i++) {
                const HelperFile *e = &entries->items[i], *w = helper_index_find(&p->wanted, e->path);
                if (streq(e->boot, p->in->boot_id) ||
                    (w && w->text && w->size == e->size && memcmp(w->text, e->text, w->size) == 0))
                        continue;
                int r = keep_entry(p, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- steps ---- */

static bool is_ours(const Planner *p, const char *path) {
        const HelperFile *f = helper_index_find(&p->carried, path);

        if (f)
                return !f->foreign;
        return helper_index_find(&p->previous, path) || contains_name(p->in->record->ours, path);
}

static int add_step(Planner *p, HelperStep *step) {
        HelperPlan *plan = p->plan;

        if (grow(plan->steps, plan->n_steps) < 0)
                return error_origin(-ENOMEM);
        plan->steps[plan->n_steps++] = *step;
        return 0;
}

static StepKind entry_kind(const HelperFile *f, const HelperView *view) {
        if (view->standing == STANDING_ABSENT || view->blocked)
                return STEP_RENAME;
        return view->sector && f->size == ENTRY_SECTOR ? STEP_OVERWRITE : STEP_BESIDE;
}

static int plan_file(Planner *p, const HelperFile *f, const HelperView *view) {
        HelperStep step = {.kind = STEP_RENAME, .file = f};
        char hex[FINGERPRINT_HEX_MAX], suffix[9];

        if (view->standing == STANDING_SAME)
                return 0;
        if (view->standing == STANDING_EQUAL)
                step.kind = STEP_ADOPT;
        else if (f->role == ROLE_ENTRY)
                step.kind = entry_kind(f, view);
        step.foreign = view->standing == STANDING_OTHER && !view->blocked && !is_ours(p, f->path);
        if (step.kind == STEP_BESIDE) {
                (void) snprintf(suffix, sizeof(suffix), "%.8s", fingerprint_to_hex(&f->content, hex));
                if (entry_sibling(f->path, suffix, &step.beside) < 0)
                        return error_origin(-ENOMEM);
        }
        if (add_step(p, &step) < 0) {
                free(step.beside);
                return error_origin(-ENOMEM);
        }
        return 0;
}

static int plan_role(Planner *p, CopyRole role) {
        const HelperSet *wanted = p->in->wanted;

        for (size_t i = 0; i < wanted->n; i++) {
                int r = wanted->items[i].role == role ? plan_file(p, &wanted->items[i], &p->in->views[i]) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The old entries under their second name, while their files are still there. */
static int plan_previous(Planner *p) {
        for (size_t i = 0; i < p->plan->previous.n; i++) {
                HelperStep step = {.kind = STEP_RENAME, .file = &p->plan->previous.items[i]};
                if (step.file->text && add_step(p, &step) < 0)
                        return error_origin(-ENOMEM);
        }
        return 0;
}

static int plan_steps(Planner *p) {
        int r = plan_role(p, ROLE_REQUIRED);

        if (r >= 0)
                r = plan_previous(p);
        if (r >= 0)
                r = plan_role(p, ROLE_ENTRY);
        if (r >= 0)
                r = plan_role(p, ROLE_BOOTER);
        return r < 0 ? r : plan_role(p, ROLE_MISC);
}

/* ---- removal ---- */

static int remove_unless_needed(Planner *p, const char *path) {
        if (helper_index_find(&p->wanted, path) || is_kept(p, path) || strv_contains(p->plan->drop, path))
                return 0;
        return strv_extend(&p->plan->remove, path);
}

static int remove_of(Planner *p, const HelperSet *s, bool entries) {
        for (size_t i = 0; i < s->n; i++) {
                const HelperFile *f = &s->items[i];
                if ((f->role == ROLE_ENTRY) == entries && !f->foreign && remove_unless_needed(p, f->path) < 0)
                        return error_origin(-ENOMEM);
        }
        return 0;
}

static int plan_removal(Planner *p) {
        const HelperRecord *record = p->in->record;
        int r = remove_of(p, &record->carried, true);

        if (r >= 0)
                r = remove_of(p, &record->previous, true);
        /* what an interrupted build may have left, in the order of its steps: so the last goes first */
        for (size_t i = strv_length(record->ours); r >= 0 && i > 0; i--)
                r = remove_unless_needed(p, record->ours[i - 1]);
        if (r >= 0)
                r = remove_of(p, &record->carried, false);
        return r < 0 ? r : remove_of(p, &record->previous, false);
}

/* ---- space ---- */

static uint64_t in_blocks(const Planner *p, uint64_t size) {
        uint64_t block = MAX(p->in->block_size, UINT64_C(1));
        return (size + block - 1) / block * block;
}

/* How many new files of its size a step makes. */
static unsigned step_copies(const HelperStep *s) {
        switch (s->kind) {
        case STEP_ADOPT:
        case STEP_OVERWRITE:
                return 0;
        case STEP_RENAME:
                return 1;
        case STEP_BESIDE:
                return 2;
        }
        return 0;
}

static void add_up(Planner *p) {
        HelperPlan *plan = p->plan;

        plan->bytes = 0;
        plan->needed = p->in->n_directories * in_blocks(p, 1);
        for (size_t i = 0; i < plan->n_steps; i++) {
                const HelperStep *s = &plan->steps[i];
                plan->needed += step_copies(s) * in_blocks(p, s->file->size);
                plan->bytes += step_copies(s) * s->file->size;
        }
}

/* What is carried now stays complete, and so does what an interrupted build has switched to. */
static bool is_in_use(const Planner *p, const char *path) {
        const HelperFile *carried = helper_index_find(&p->carried, path);

        return helper_index_find(&p->wanted, path) || (carried && !is_named_by_content(carried)) ||
               helper_set_names(p->in->entries, path) || helper_set_names(p->in->left, path);
}

static int drop_unless_in_use(Planner *p, const HelperFile *f, uint64_t *available) {
        if (is_in_use(p, f->path) || strv_contains(p->plan->drop, f->path))
                return 0;
        *available += in_blocks(p, f->size);
        return strv_extend(&p->plan->drop, f->path);
}

/* What an interrupted build wrote, or could not remove, would else keep the next one from ever having room.
 */
static int drop_left(Planner *p, uint64_t *available) {
        const HelperSet *left = p->in->left, *old = &p->in->record->carried;
        int r = 0;

        for (size_t i = left->n; r >= 0 && i > 0; i--)
                if (!is_kept(p, left->items[i - 1].path))
                        r = drop_unless_in_use(p, &left->items[i - 1], available);
        for (size_t i = 0; r >= 0 && i < old->n; i++)
                if (!is_kept(p, old->items[i].path))
                        r = drop_unless_in_use(p, &old->items[i], available);
        return r;
}

/* Earlier sets make room before anything else is given up. */
static int drop_earlier(Planner *p, uint64_t *available) {
        const HelperSet *old = &p->in->record->previous;
        int r = 0;

        for (unsigned pass = 0; pass < 2; pass++)
                for (size_t i = 0; r >= 0 && i < old->n; i++)
                        if ((old->items[i].role == ROLE_ENTRY) == (pass == 0))
                                r = drop_unless_in_use(p, &old->items[i], available);
        return r;
}

/* What was dropped is no longer kept. New previous entries stay: their files are the carried ones. */
static void forget_dropped(Planner *p) {
        HelperSet *s = &p->plan->previous;
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                if (!s->items[i].text && strv_contains(p->plan->drop, s->items[i].path))
                        helper_file_done(&s->items[i]);
                else
                        s->items[n++] = s->items[i];
        s->n = n;
}

static void leave_out_misc(Planner *p) {
        HelperPlan *plan = p->plan;

        while (plan->n_steps > 0 && plan->steps[plan->n_steps - 1].file->role == ROLE_MISC)
                plan->n_steps--;
        plan->without_misc = true;
}

static void clear_steps(HelperPlan *plan) {
        for (size_t i = 0; i < plan->n_steps; i++)
                free(plan->steps[i].beside);
        free(plan->steps);
        plan->steps = NULL;
        plan->n_steps = 0;
}

static int make_room(Planner *p, char **reterr) {
        HelperPlan *plan = p->plan;
        uint64_t available = p->in->available;
        char needed[SIZE_TEXT_MAX], free_text[SIZE_TEXT_MAX];
        int r;

        if (plan->needed <= available)
                return 0;
        r = drop_left(p, &available);
        if (r >= 0 && plan->needed > available)
                r = drop_earlier(p, &available);
        if (r < 0)
                return r;
        forget_dropped(p);
        clear_steps(plan); /* they point into what was kept */
        r = plan_steps(p);
        if (r < 0)
                return r;
        add_up(p);
        uint64_t whole = plan->needed;
        if (whole > available) {
                leave_out_misc(p);
                add_up(p);
        }
        if (plan->needed > available)
                return failure(reterr, -ENOSPC, "%s needed, %s free", size_to_text(whole, needed),
                               size_to_text(available, free_text));
        return 0;
}

static int decide(Planner *p, char **reterr) {
        int r = guard_helper(p->in, reterr);

        if (r >= 0 && p->in->running)
                r = keep_kept(p);
        if (r >= 0 && p->in->running)
                r = keep_booted(p);
        if (r >= 0)
                r = obstacles_find(p->in, &p->plan->drop, reterr);
        if (r >= 0)
                r = plan_steps(p);
        if (r < 0)
                return r;
        add_up(p);
        r = make_room(p, reterr);
        return r < 0 ? r : plan_removal(p);
}

static void planner_done(Planner *p) {
        helper_index_done(&p->wanted);
        helper_index_done(&p->carried);
        helper_index_done(&p->previous);
}

int helper_plan_new(const HelperPlanInput *input, HelperPlan **ret, char **reterr) {
        _cleanup_(helper_plan_freep) HelperPlan *plan = calloc(1, sizeof(*plan));
        _cleanup_(planner_done) Planner p = {.in = input, .plan = plan};
        int r;

        if (!plan || helper_index_init(&p.wanted, input->wanted, HELPER_KEY_PATH) < 0 ||
            helper_index_init(&p.carried, &input->record->carried, HELPER_KEY_PATH) < 0 ||
            helper_index_init(&p.previous, &input->record->previous, HELPER_KEY_PATH) < 0)
                return error_origin(-ENOMEM);
        r = decide(&p, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(plan);
        return 0;
}
