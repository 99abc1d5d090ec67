/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/helperrecord.h"

/* What is ours on a helper. Pure. Borrows from the record. */
typedef struct Claim {
        NameMap carried, kept, ours; /* by name on the helper */
} Claim;

int claim_init(Claim *c, const HelperRecord *record); /* -ENOMEM */
void claim_done(Claim *c);

/* Is the file at PATH ours, so that it may be replaced silently, and removed? FOUND: the wanted file of that
 * name if it is exactly what is there, including the content; else NULL. */
bool claim_covers(const Claim *c, const char *path, const WantedFile *found);

/* The file that the record lists as carried under this name, or NULL. */
const CarriedFile *claim_carried(const Claim *c, const char *path);
