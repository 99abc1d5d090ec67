/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "builder/transaction/helperplan.h"

/* Where a file of an earlier set stands in the way of a wanted one: a file that is to become a directory, or
 * a directory that is to become a file. Pure. */

/* *RET (strv): what of earlier builds has to go before anything is written. -EPERM: it may be needed until
 * the switch; -EEXIST: what is in the way is not ours; *RETERR says which. A misc file that is blocked for
 * good is passed over. */
int obstacles_find(const HelperPlanInput *in, char ***ret, char **reterr);
