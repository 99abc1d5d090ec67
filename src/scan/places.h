/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a mount would hide, or uncover, something that a plan names. Watches do not report mounts
 * (inotify(7)): from these places the daemon, which follows the mount table, knows which mounts require a new
 * scan. */

#include <stdio.h>

#include "manifest/plan.h"

/* The sources, outputs and copied files of PLAN below ROOT as a strv: absolute, links resolved as far as the
 * paths exist; none at or below another; only "/" if there would be more than MAX. -ENOMEM, … */
int places_of_plan(int root, const Plan *plan, size_t max, char ***ret);

/* Prints them, as a PLACE record each. */
int places_print(FILE *f, char *const *places);
