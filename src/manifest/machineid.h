/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The machine id of a volume, machine-id(5): what %m stands for. */

#include "tree/walk.h"

#define MACHINE_ID_PATH "/etc/machine-id"

/* Reads it, arming the way to it first. *RET: 32 hex digits, or NULL: what is there is no machine id, or
 * nothing is (missing, `uninitialized`, a directory, too long). Else negative errno: could not look. */
int machine_id_read(const Walk *walk, char **ret);
