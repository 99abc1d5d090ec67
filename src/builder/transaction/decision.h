/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/helperplan.h"

/* Decides what to do on a helper, given what was found there. Pure; update.h looks and acts. 0; -EPERM: a
 * guard refuses; -EEXIST: something is in the way; -ENOSPC; *RETERR says why. -ENOMEM. */
int decision_make(const HelperPlanInput *in, HelperPlan **ret, char **reterr);
