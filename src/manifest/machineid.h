/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The machine ID of a volume, machine-id(5): the value of %m. */

#include "tree/walk.h"

#define MACHINE_ID_PATH "/etc/machine-id"

/* Reads it, arming its path first. *RET: 32 hex digits, or NULL: there is none, or no valid one (missing,
 * `uninitialized`, a directory, too long). Negative errno: could not be read. */
int machine_id_read(const Walk *walk, char **ret);
