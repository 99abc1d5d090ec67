/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All questions whether a file on a helper is ours are answered here, so that there is one rule. */

#include "builder/transaction/claim.h"

#include "base/error.h"

int claim_init(Claim *c, const HelperRecord *record) {
        assert(record && !c->carried.tree && !c->kept.tree && !c->ours.tree);
        if (carried_set_map(&record->carried, &c->carried) < 0 || kept_set_map(&record->kept, &c->kept) < 0 ||
            name_map_put_all(&c->ours, record->ours) < 0)
                return error_origin(-ENOMEM);
        return 0;
}

void claim_done(Claim *c) {
        name_map_done(&c->carried);
        name_map_done(&c->kept);
        name_map_done(&c->ours);
}

bool claim_covers(const Claim *c, const char *path, const WantedFile *found) {
        assert(!found || strcasecmp(found->path, path) == 0);
        const CarriedFile *carried = claim_carried(c, path);
        if (carried)
                return !carried->adopted;
        if (name_map_get(&c->kept, path) || name_map_get(&c->ours, path))
                return true;
        /* without a record: nobody else uses names derived from the content, or writes entries that contain
         * them */
        return found && (found->role == ROLE_ENTRY || wanted_file_is_named_by_content(found));
}

const CarriedFile *claim_carried(const Claim *c, const char *path) {
        return name_map_get(&c->carried, path);
}
