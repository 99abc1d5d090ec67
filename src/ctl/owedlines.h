/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was owed when the system last went down, as bootkeepd tells it (Owed): said before anything else. */

#include "base/owed.h"
#include "ctl/ctl.h"
#include "ctl/json.h"

/* A daemon that does not know it owes nothing. EXIT_SUCCESS, or the exit status of a failure, which is
 * logged. */
int owed_lines_get(Ctl *ctl, OwedList *ret);
void owed_lines_print(const Ctl *ctl, const OwedList *list);
/* As the array `owed` into the open object. */
void owed_lines_to_json(const OwedList *list, Json *j);
