/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "builder/transaction/helperplan.h"

/* What stands on a helper now. ROOT is its root directory. Nothing is written. */

/* For each of WANTED; *RET is to be freed. What RECORD vouches for is taken by name and size, unless
 * READ_ALL; other files of the right size are read. -ELOOP, …: *RETERR says where. -EINTR. */
int look_at_files(int root, const HelperSet *wanted, const HelperRecord *record, bool read_all,
                  Interrupt *interrupt, HelperView **ret, char **reterr);

/* The entries that RECORD carries, with their text as it stands there; one that is not there is left out. */
int look_at_entries(int root, const HelperRecord *record, HelperSet *ret);

/* Of what RECORD kept only that stays which stands there unchanged: a build that was interrupted may not have
 * come so far. The rest is ours. */
int look_at_previous(int root, HelperRecord *record);

/* What RECORD calls ours and stands there: path and size, and the text of an entry that is WANTED. */
int look_at_left(int root, const HelperSet *wanted, const HelperRecord *record, HelperSet *ret);

/* Bytes of a block, bytes free for us. */
int look_at_space(int root, uint64_t *ret_block, uint64_t *ret_available);
