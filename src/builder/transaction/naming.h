/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/helperfiles.h"

/* Gives the files of SET, as they were gathered, their names on the helper: a required file that an entry
 * names is called by its content, and the entry's text says so and is padded. OLD: what the helper carries
 * now, so that a name is never given to two contents. -EEXIST: two files want one name; -ENOTDIR: one file
 * would lie below another; -EINVAL, -EFBIG: an entry is no text; *RETERR says which. -ENOMEM. */
int naming_apply(WantedSet *set, const CarriedSet *old, char **reterr);
