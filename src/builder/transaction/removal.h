/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/plandraft.h"

/* What is removed last. -ENOMEM. */
int removal_plan(PlanDraft *d);
