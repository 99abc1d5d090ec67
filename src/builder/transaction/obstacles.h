/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/plandraft.h"

/* Files of earlier builds that are in the way and must be removed before anything is written. -EPERM: one may
 * be needed until the switch; -EEXIST: one is not ours; *RETERR says which. A misc file that stays blocked is
 * skipped. -ENOMEM. */
int obstacles_drop(PlanDraft *d, char **reterr);
