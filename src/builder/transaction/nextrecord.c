/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ensures that no file of ours is ever mistaken for somebody else's, nor the reverse, whenever we are
 * killed. */

#include "builder/transaction/nextrecord.h"

#include "base/error.h"
#include "tree/fingerprint.h"

static int copy_text(char **p, const char *s) {
        return free_and_strdup(p, s) < 0 ? error_origin(-ENOMEM) : 0;
}

static int copy_carried(const CarriedFile *from, CarriedSet *set) {
        _cleanup_(carried_file_done) CarriedFile f = {
                .role = from->role,
                .content = from->content,
                .size = from->size,
                .adopted = from->adopted,
        };
        if (copy_text(&f.path, from->path) < 0 || copy_text(&f.boot, from->boot) < 0 ||
            copy_text(&f.to, from->to) < 0 || copy_text(&f.source, from->source) < 0 ||
            copy_text(&f.description, from->description) < 0)
                return error_origin(-ENOMEM);
        return carried_set_add(set, &f);
}

/* They exist by then, whether they have yet to be written or not. */
static int copy_kept_set(const KeptSet *from, KeptSet *set) {
        for (size_t i = 0; i < from->n; i++) {
                const KeptFile *kept = &from->items[i];
                _cleanup_(kept_file_done) KeptFile f = {
                        .role = kept->role,
                        .content = kept->content,
                        .size = kept->size,
                };
                if (copy_text(&f.path, kept->path) < 0 || copy_text(&f.boot, kept->boot) < 0 ||
                    kept_set_add(set, &f) < 0)
                        return error_origin(-ENOMEM);
        }
        return 0;
}

static int add_all(StrvBuilder *b, char *const *more) {
        for (; more && *more; more++)
                if (strv_builder_extend(b, *more) < 0)
                        return error_origin(-ENOMEM);
        return 0;
}

/* Those of MORE that are not in SEEN, to which they are added. */
static int add_new(StrvBuilder *b, NameMap *seen, char *const *more) {
        for (; more && *more; more++) {
                int r = name_map_put(seen, *more, *more);
                if (r < 0 || (r > 0 && strv_builder_extend(b, *more) < 0))
                        return error_origin(-ENOMEM);
        }
        return 0;
}

/* Directories that we created, each once and outer ones first. */
static int join_made(char *const *old, char *const *new, char ***ret) {
        _cleanup_(name_map_done) NameMap seen = NAME_MAP_EXACT;
        _cleanup_(strv_builder_done) StrvBuilder made = {};
        if (add_new(&made, &seen, old) < 0 || add_new(&made, &seen, new) < 0)
                return error_origin(-ENOMEM);
        return strv_builder_finish(&made, ret);
}

/* Of duplicates the last one is kept: what is ours is removed from the end, and an entry comes after what it
 * names. */
static int finish_ours(StrvBuilder *b, char ***ret) {
        _cleanup_(name_map_done) NameMap seen = NAME_MAP_EXACT;
        size_t n = b->n, kept = b->n;
        for (size_t i = n; i > 0; i--) {
                char *name = b->items[i - 1];
                int r = name_map_put(&seen, name, name);
                if (r < 0)
                        return error_origin(-ENOMEM);
                if (r > 0)
                        continue;
                free(name);
                b->items[i - 1] = NULL;
                kept--;
        }
        for (size_t i = 0, to = 0; i < n; i++)
                if (b->items[i])
                        b->items[to++] = b->items[i];
        b->n = kept;
        return strv_builder_finish(b, ret);
}

/* ---- before ---- */

/* Backwards, because its entries come first. */
static int add_kept_names(StrvBuilder *ours, const KeptSet *kept) {
        for (size_t i = kept->n; i > 0; i--)
                if (strv_builder_extend(ours, kept->items[i - 1].path) < 0)
                        return error_origin(-ENOMEM);
        return 0;
}

static int add_step_names(StrvBuilder *ours, const HelperPlan *plan) {
        for (size_t i = 0; i < plan->n_steps; i++) {
                const HelperStep *s = &plan->steps[i];
                if ((!s->foreign && strv_builder_extend(ours, s->path) < 0) ||
                    (s->beside && strv_builder_extend(ours, s->beside) < 0))
                        return error_origin(-ENOMEM);
        }
        return 0;
}

int next_record_intent(const HelperRecord *old, const HelperPlan *plan, char *const *directories,
                       HelperRecord *ret) {
        assert(old && plan && ret);
        _cleanup_(helper_record_done) HelperRecord intent = {.intent = true};
        _cleanup_(strv_builder_done) StrvBuilder ours = {};
        int r = copy_text(&intent.filesystem, old->filesystem);
        for (size_t i = 0; r >= 0 && i < old->carried.n; i++)
                r = copy_carried(&old->carried.items[i], &intent.carried);
        if (r >= 0)
                r = copy_kept_set(&plan->kept, &intent.kept);
        if (r < 0 || add_kept_names(&ours, &old->kept) < 0 || add_all(&ours, old->ours) < 0 ||
            add_step_names(&ours, plan) < 0 || finish_ours(&ours, &intent.ours) < 0 ||
            join_made(old->made, directories, &intent.made) < 0)
                return error_origin(-ENOMEM);
        assert(intent.carried.n == old->carried.n && intent.kept.n == plan->kept.n);
        *ret = intent;
        intent = HELPER_RECORD_NULL;
        return 0;
}

/* ---- after ---- */

/* Content that was there during an earlier boot keeps that boot. */
static const char *boot_of(const Outcome *o, const WantedFile *f) {
        const CarriedFile *before = claim_carried(o->claim, f->path);
        return before && fingerprint_equal(&before->content, &f->content) ? before->boot : o->boot_id;
}

static int carry_file(const Outcome *o, size_t i, CarriedSet *set) {
        const WantedFile *f = &o->wanted->items[i];
        const CarriedFile carried = {
                .role = f->role,
                .path = f->path,
                .content = f->content,
                .size = f->size,
                .boot = (char *) boot_of(o, f),
                .to = f->to,
                .source = f->source,
                .description = f->description,
                .adopted = helper_view_is_equal(&o->views[i]) && !claim_covers(o->claim, f->path, f),
        };
        return copy_carried(&carried, set);
}

/* Whatever of it may be there is ours, unless somebody else wrote it. */
static bool may_be_ours(const Outcome *o, size_t i) {
        return o->views[i].standing == STANDING_ABSENT ||
               claim_covers(o->claim, o->wanted->items[i].path, NULL);
}

int next_record_final(const Outcome *o, HelperRecord *ret) {
        assert(wanted_set_is_named(o->wanted));
        _cleanup_(helper_record_done) HelperRecord final = HELPER_RECORD_NULL;
        _cleanup_(strv_builder_done) StrvBuilder ours = {};
        int r = copy_text(&final.filesystem, o->old->filesystem);
        for (size_t i = 0; r >= 0 && i < o->wanted->n; i++) {
                assert(!o->failed || !o->failed[i] || o->wanted->items[i].role == ROLE_MISC);
                if (!o->failed || !o->failed[i])
                        r = carry_file(o, i, &final.carried);
                else if (may_be_ours(o, i))
                        r = strv_builder_extend(&ours, o->wanted->items[i].path);
        }
        if (r >= 0)
                r = copy_kept_set(o->kept, &final.kept);
        if (r < 0 || add_all(&ours, o->unremoved) < 0 || finish_ours(&ours, &final.ours) < 0 ||
            join_made(o->made, NULL, &final.made) < 0)
                return error_origin(-ENOMEM);
        *ret = final;
        final = HELPER_RECORD_NULL;
        return 0;
}
