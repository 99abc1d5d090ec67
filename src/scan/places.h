/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a mount would hide, or lay bare, something that a plan names. No watch sees a mount come or go
 * (inotify(7)): whoever follows the mount table is told by these for which of them to scan again. */

#include <stdio.h>

#include "manifest/plan.h"

/* The sources, outputs and copied files of PLAN below ROOT as a strv: absolute, links resolved as far as
 * there is something; none at or below another; just "/" if there were more than MAX. -ENOMEM, … */
int places_of_plan(int root, const Plan *plan, size_t max, char ***ret);

/* Prints them, a record PLACE each. */
int places_print(FILE *f, char *const *places);
