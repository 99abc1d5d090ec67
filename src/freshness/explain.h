/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which file is other than the stamp says? Asked only where the fingerprint differs, and only for people. */

#include "freshness/finding.h"
#include "freshness/subject.h"

/* Notes in F the first difference, in byte order of paths, or that it cannot be told: what is looked at is
 * the same, but named in another way; it had no place in the stamp; or there is no stamp, no memory or no
 * room for it. 0 or a shortage (finding.h) but of memory. */
int explain_difference(const Subject *subject, Freshness *f);
