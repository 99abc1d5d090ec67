/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/plandraft.h"

/* How much the steps need; if there is not enough, what is given up for it, and then the steps again.
 * -ENOSPC: *RETERR says how much is needed. -ENOMEM. */
int room_make(PlanDraft *d, char **reterr);
