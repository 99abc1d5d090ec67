/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is kept for the running boot: the set that it was booted from, next to the new one, until a build
 * during a later boot, unless that boot used the kept set because the new one did not come up. */

#include "builder/transaction/keep.h"

#include "base/error.h"
#include "helper/entry.h"
#include "helper/started.h"

/* Takes FILE. */
static int keep_file(PlanDraft *d, KeptFile *file) {
        file->boot = strdup(d->in->boot_id);
        if (!file->path || !file->boot) {
                kept_file_done(file);
                return error_origin(-ENOMEM);
        }
        const char *name = file->path;
        int r = kept_set_add(&d->plan->kept, file);
        return r >= 0 && name_map_put(&d->kept, name, name) < 0 ? error_origin(-ENOMEM) : r;
}

/* Somebody who found that the new set does not boot has chosen the kept one, and must not lose it to an even
 * newer one. */
static bool kept_set_was_booted(const PlanDraft *d) {
        const KeptSet *old = &d->in->record->kept;
        for (size_t i = 0; i < old->n; i++)
                if (old->items[i].role == ROLE_REQUIRED && !plandraft_wants(d, old->items[i].path) &&
                    started_names(d->in->cmdline, old->items[i].path))
                        return true;
        return false;
}

/* Already kept during this boot, or booted from again. */
static int keep_what_is_kept(PlanDraft *d) {
        const KeptSet *old = &d->in->record->kept;
        bool booted = kept_set_was_booted(d);
        for (size_t i = 0; i < old->n; i++) {
                const KeptFile *f = &old->items[i];
                if ((!booted && !streq(f->boot, d->in->boot_id)) || plandraft_wants(d, f->path))
                        continue;
                KeptFile copy = {
                        .role = f->role,
                        .path = strdup(f->path),
                        .content = f->content,
                        .size = f->size,
                };
                int r = keep_file(d, &copy);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* FILE, whose PATH is borrowed, if ENTRY names it. */
static int keep_if_named(PlanDraft *d, const SeenFile *entry, KeptFile file) {
        if (plandraft_wants(d, file.path) || plandraft_keeps(d, file.path) ||
            !entry_has_word(entry->text, entry->size, file.path))
                return 0;
        file.path = strdup(file.path);
        return keep_file(d, &file);
}

/* The files that only ENTRY names. They are leftovers, not carried, if the build that wrote the entry was
 * interrupted afterwards. */
static int keep_named(PlanDraft *d, const SeenFile *entry) {
        const CarriedSet *carried = &d->in->record->carried;
        const SeenSet *left = d->in->left;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < carried->n; i++) {
                const CarriedFile *f = &carried->items[i];
                KeptFile file = {.role = f->role, .path = f->path, .content = f->content, .size = f->size};
                r = carried_file_is_named_by_content(f) ? keep_if_named(d, entry, file) : 0;
        }
        for (size_t i = 0; r >= 0 && i < left->n; i++) {
                const SeenFile *f = &left->items[i];
                KeptFile file = {.role = ROLE_REQUIRED, .path = f->path, .size = f->size};
                r = claim_carried(d->in->claim, f->path) ? 0 : keep_if_named(d, entry, file);
        }
        return r;
}

/* The text of ENTRY under a name next to it. */
static int make_sibling(const SeenFile *entry, KeptFile *ret) {
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        size_t size = entry->size;
        ret->role = ROLE_ENTRY;
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

static int keep_entry(PlanDraft *d, const SeenFile *entry) {
        _cleanup_(kept_file_done) KeptFile sibling = {};
        int r = make_sibling(entry, &sibling);
        if (r < 0 || plandraft_wants(d, sibling.path) || plandraft_keeps(d, sibling.path))
                return r;
        r = keep_file(d, &sibling);
        return r < 0 ? r : keep_named(d, entry);
}

static bool is_left_as_it_is(const PlanDraft *d, const SeenFile *entry) {
        const WantedFile *w = name_map_get(&d->wanted, entry->path);
        return w && w->text && w->size == entry->size && memcmp(w->text, entry->text, w->size) == 0;
}

/* An entry that existed when this boot began, and is about to be changed or removed. */
static int keep_what_was_booted(PlanDraft *d) {
        const SeenSet *entries = d->in->entries;
        for (size_t i = 0; i < entries->n; i++) {
                const SeenFile *entry = &entries->items[i];
                assert(entry->text && entry->boot);
                int r = streq(entry->boot, d->in->boot_id) || is_left_as_it_is(d, entry)
                                ? 0
                                : keep_entry(d, entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

int keep_booted_set(PlanDraft *d) {
        assert(d->in->running && d->plan->kept.n == 0);
        int r = keep_what_is_kept(d);
        return r < 0 ? r : keep_what_was_booted(d);
}

/* New entries are kept: what they name is carried. */
int keep_forget_dropped(PlanDraft *d) {
        KeptSet *s = &d->plan->kept;
        size_t n = 0;
        name_map_done(&d->kept);
        for (size_t i = 0; i < s->n; i++)
                if (!s->items[i].text && plandraft_drops(d, s->items[i].path))
                        kept_file_done(&s->items[i]);
                else
                        s->items[n++] = s->items[i];
        s->n = n;
        return kept_set_map(s, &d->kept);
}
