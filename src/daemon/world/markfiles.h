/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of rebootmark.h, and a note that the first of them is ours. RUN is the directory that they are
 * in, /run: no disk is waited for. */

#include "base/util.h"
#include "daemon/core/rebootmark.h"

/* Does this system have the convention? It is that of Debian and what is made from it. */
bool markfiles_are_used(void);

/* What is missing, or is not a regular file, is nobody's. Negative errno: RUN or the note cannot be read. */
int markfiles_read(const char *run, RebootMark *ret);

/* ACTS: of rebootmark_decide(). -EAGAIN: somebody else writes to them at the same time, over and over. */
int markfiles_apply(const char *run, unsigned acts);
