/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/helperfiles.h"

/* Gives the files of SET, as they were gathered, their names on the helper: a required file that an entry
 * names is named after its content, and the text of the entry is changed accordingly and padded. OLD: what
 * the helper carries now, so that a name is never used for two contents. -EEXIST: two files need the same
 * name; -ENOTDIR: one file would be below another; -EINVAL, -EFBIG: an entry is not a text file; *RETERR says
 * which. -ENOMEM. */
int naming_apply(WantedSet *set, const CarriedSet *old, char **reterr);
