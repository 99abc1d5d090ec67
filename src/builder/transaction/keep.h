/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/plandraft.h"

/* The files of the old set that are kept for the running boot, and entries that name them. -ENOMEM. */
int keep_booted_set(PlanDraft *d);
/* Files that were dropped are no longer kept. -ENOMEM. */
int keep_forget_dropped(PlanDraft *d);
