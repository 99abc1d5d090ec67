/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which file differs from the stamp? Determined only if the fingerprint differs, and only for people. */

#include "freshness/finding.h"
#include "freshness/subject.h"

/* Notes in F the first difference, in byte order of paths, or why it is not known: the files are the same,
 * but are named differently; the stamp had no room for them; or there is no stamp, no memory or no room for
 * it. 0 or a shortage (finding.h), except of memory. */
int explain_difference(const Subject *subject, Freshness *f);
