/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An `each` that suddenly matches nothing must not empty the helper. A new kernel in place of an old one is
 * not a loss: what counts is the number of names lost minus those gained. */

#include "builder/transaction/guard.h"

#include "base/error.h"
#include "base/failure.h"

/* Of the old set and of the new one. */
typedef struct Comparison {
        bool had[_ROLE_MAX], has[_ROLE_MAX];
        size_t lost, gained; /* files by their names in the manifest */
} Comparison;

static int compare_sets(const CarriedSet *old, const WantedSet *new, Comparison *ret) {
        _cleanup_(name_map_done) NameMap before = NAME_MAP_NULL, after = NAME_MAP_NULL;
        for (size_t i = 0; i < old->n; i++) {
                ret->had[old->items[i].role] = true;
                if (name_map_put(&before, old->items[i].to, &old->items[i]) < 0)
                        return error_origin(-ENOMEM);
        }
        for (size_t i = 0; i < new->n; i++) {
                ret->has[new->items[i].role] = true;
                ret->gained += !name_map_get(&before, new->items[i].to);
                if (name_map_put(&after, new->items[i].to, &new->items[i]) < 0)
                        return error_origin(-ENOMEM);
        }
        for (size_t i = 0; i < old->n; i++)
                ret->lost += !name_map_get(&after, old->items[i].to);
        return 0;
}

int guard_helper(const HelperPlanInput *in, char **reterr) {
        assert(in->record && wanted_set_is_named(in->wanted));
        const CarriedSet *old = &in->record->carried;
        Comparison c = {};
        if (in->force)
                return 0;
        int r = compare_sets(old, in->wanted, &c);
        if (r < 0)
                return r;
        assert(c.lost <= old->n && c.gained <= in->wanted->n);
        if (c.had[ROLE_ENTRY] && !c.has[ROLE_ENTRY])
                return failure(reterr, -EPERM,
                               "would be left without a boot entry (use --force if this is intended)");
        if ((c.had[ROLE_REQUIRED] || c.had[ROLE_BOOTER]) && !c.has[ROLE_REQUIRED] && !c.has[ROLE_BOOTER])
                return failure(reterr, -EPERM,
                               "would be left without anything to boot (use --force if this is intended)");
        if (c.lost > c.gained && (c.lost - c.gained) * 2 > old->n)
                return failure(reterr, -EPERM,
                               "%zu of %zu files would be removed (use --force if this is intended)", c.lost,
                               old->n);
        return 0;
}
