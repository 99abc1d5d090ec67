/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/plandraft.h"

/* What of earlier builds has to go before anything is written, as it stands in the way. -EPERM: it may be
 * needed until the switch; -EEXIST: it is not ours; *RETERR says which. A misc file that is blocked for good
 * is passed over. -ENOMEM. */
int obstacles_drop(PlanDraft *d, char **reterr);
