/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "flush/witness.h"

/* Has a running bootkeepd do it. Negative errno: it does not answer, or no longer. */
int overbus_run(Witness *w);
