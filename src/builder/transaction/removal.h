/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/planner.h"

/* What goes last. -ENOMEM. */
int removal_plan(Planner *p);
