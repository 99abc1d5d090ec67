/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/helperfiles.h"

/* What is known of a helper from the last build. */
typedef struct HelperRecord {
        bool intent;      /* a build was under way: what stands there may be of either set */
        char *filesystem; /* UUID of the file system on the helper; NULL: it has none */
        CarriedSet carried;
        KeptSet kept; /* for what was booted; none of them is still to be written */
        char **ours;  /* strv: may stand there and is ours to remove; entries after what they name */
        char **made;  /* strv: directories that we made, outer ones first */
} HelperRecord;

#define HELPER_RECORD_NULL ((HelperRecord){})
void helper_record_done(HelperRecord *record);
