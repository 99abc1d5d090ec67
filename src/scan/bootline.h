/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The record BOOTED of a scan: which helper started the machine, and whether that has something newer by now.
 */

#include "freshness/booted.h"
#include "freshness/subject.h"
#include "helper/helperlist.h"

/* For the volume of CONTEXT, which is the root of the running system. Without helpers it is always
 * BOOTED_CURRENT: nothing was copied that could be newer. -ENOMEM; *RET is unchanged. */
int bootline_judge(const FreshnessContext *context, const HelperList *helpers, const BootFacts *facts,
                   Booted *ret);

int bootline_print(FILE *f, const Booted *booted);
