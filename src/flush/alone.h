/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "flush/witness.h"

/* Runs PROGRAM --flush (bootkeepd) for it, without a bus. Negative errno: it could not be started, or did not
 * say how it ended. */
int alone_run(Witness *w, const char *program);
