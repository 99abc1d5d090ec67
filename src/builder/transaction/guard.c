/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An `each` that suddenly matches nothing must not empty the helper. A new kernel for an old one is no loss:
 * what counts is what is lost over what is gained. */

#include "builder/transaction/guard.h"

#include "base/error.h"
#include "base/failure.h"

static void count_roles(const HelperSet *s, size_t ret[static _ROLE_MAX]) {
        for (size_t i = 0; i < s->n; i++)
                ret[s->items[i].role]++;
}

/* How many of A have no namesake in B. */
static int count_lost(const HelperSet *a, const HelperSet *b, size_t *ret) {
        _cleanup_(helper_index_done) HelperIndex x = HELPER_INDEX_NULL;

        if (helper_index_init(&x, b, HELPER_KEY_TO) < 0)
                return error_origin(-ENOMEM);
        *ret = 0;
        for (size_t i = 0; i < a->n; i++)
                *ret += !helper_index_find(&x, a->items[i].to);
        return 0;
}

int guard_helper(const HelperPlanInput *in, char **reterr) {
        const HelperSet *old = &in->record->carried, *new = in->wanted;
        size_t was[_ROLE_MAX] = {}, is[_ROLE_MAX] = {}, lost, gained;

        if (in->force)
                return 0;
        count_roles(old, was);
        count_roles(new, is);
        if (was[ROLE_ENTRY] > 0 && is[ROLE_ENTRY] == 0)
                return failure(reterr, -EPERM,
                               "would be left without a boot entry (use --force if this is intended)");
        if (was[ROLE_REQUIRED] + was[ROLE_BOOTER] > 0 && is[ROLE_REQUIRED] + is[ROLE_BOOTER] == 0)
                return failure(reterr, -EPERM,
                               "would be left without anything to boot (use --force if this is intended)");
        if (count_lost(old, new, &lost) < 0 || count_lost(new, old, &gained) < 0)
                return error_origin(-ENOMEM);
        if (lost > gained && (lost - gained) * 2 > old->n)
                return failure(reterr, -EPERM,
                               "%zu of %zu files would be removed (use --force if this is intended)", lost,
                               old->n);
        return 0;
}
