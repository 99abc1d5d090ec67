/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/helperplan.h"

/* Decides what is to be done on a helper, from what was found there. Pure; update.h finds and does. 0;
 * -EPERM: a guard holds it; -EEXIST: something is in the way; -ENOSPC; *RETERR says why. -ENOMEM. */
int decision_make(const HelperPlanInput *in, HelperPlan **ret, char **reterr);
