/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/plandraft.h"

/* How much the steps need; where there is not so much, what is given up for it, and the steps anew. -ENOSPC:
 * *RETERR says how much is needed. -ENOMEM. */
int room_make(PlanDraft *d, char **reterr);
