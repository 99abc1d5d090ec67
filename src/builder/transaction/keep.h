/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/plandraft.h"

/* The files of the old set that stay for the boot that is running, and entries that name them. -ENOMEM. */
int keep_booted_set(PlanDraft *d);
/* What was dropped is no longer kept. -ENOMEM. */
int keep_forget_dropped(PlanDraft *d);
