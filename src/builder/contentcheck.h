/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The content of learned files, for the builder alone: a scan reads none. */

#include "freshness/sight.h"

/* The content of the file SIGHT as in its line: LEARNED_NO_CONTENT for what is too large, gone or no regular
 * file. It is what the file had after SIGHT was taken. 0 or a shortage (finding.h). */
int content_of_sight(const Sight *sight, char ret[static FINGERPRINT_HEX_MAX]);

/* Is the file that was BEFORE (an item READ or LOOK) the same now, but for the time and how it came there?
 * NOW is its description, CONTENT as above. */
bool content_is_same(const LearnedItem *before, const char *now, const char *content);
