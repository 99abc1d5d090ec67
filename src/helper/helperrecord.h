/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/helperfiles.h"

/* What is known about a helper from the last build. */
typedef struct HelperRecord {
        bool intent;      /* a build was under way: files may belong to either set */
        char *filesystem; /* UUID of the file system on the helper; NULL: it has none */
        CarriedSet carried;
        KeptSet kept; /* for what was booted; none of them has yet to be written */
        char **ours;  /* strv: may exist and is ours to remove; entries after what they name */
        char **made;  /* strv: directories that we created, outer ones first */
} HelperRecord;

#define HELPER_RECORD_NULL ((HelperRecord){})
void helper_record_done(HelperRecord *record);
