/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/plandraft.h"

/* The steps, from the wanted set and the kept one, in the order of the switch. -ENOMEM. */
int steps_plan(PlanDraft *d);
