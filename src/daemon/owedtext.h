/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done about a volume while the system goes down, how far it is, and why it is owed: in words. */

#include "base/owed.h"
#include "daemon/record.h"

typedef struct OwedTexts {
        OwedView *views; /* their texts are owned */
        size_t n;
} OwedTexts;

void owed_texts_done(OwedTexts *texts);
int owed_texts_add(OwedTexts *texts, const Record *record);

/* How much of what the last scan found stale the running build has done; OWED_PERCENT_UNKNOWN. */
uint32_t owed_percent(const Report *stale, const Report *build);
