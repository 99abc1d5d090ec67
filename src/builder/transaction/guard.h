/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/helperplan.h"

/* 0; -EPERM: the wanted set would remove from the helper what nobody can have meant to remove, *RETERR says
 * what; never with `force`. Pure. */
int guard_helper(const HelperPlanInput *in, char **reterr);
