/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/helperrecord.h"

/* What of a helper is ours. Pure. Borrows from the record. */
typedef struct Claim {
        NameMap carried, kept, ours; /* by name on the helper */
} Claim;

int claim_init(Claim *c, const HelperRecord *record); /* -ENOMEM */
void claim_done(Claim *c);

/* Is what stands under the name PATH ours, so that it may be replaced without a word, and removed? FOUND: the
 * wanted file of that name, where what stands there is just that, content and all; else NULL. */
bool claim_covers(const Claim *c, const char *path, const WantedFile *found);

/* What the record says is carried under this name, or NULL. */
const CarriedFile *claim_carried(const Claim *c, const char *path);
