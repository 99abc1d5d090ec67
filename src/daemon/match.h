/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a VOLUME argument of org.bootkeep1(5) means: a name, a device, a tag, a mount point. Anybody may ask:
 * nothing is opened except what is in /dev itself. */

#include "daemon/record.h"

/* Is RECORD what ARGUMENT means? */
bool match_volume(const Record *record, const char *argument);
