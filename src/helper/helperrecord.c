/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/helperrecord.h"

void helper_record_done(HelperRecord *record) {
        free(record->filesystem);
        carried_set_done(&record->carried);
        kept_set_done(&record->kept);
        (void) strv_free(record->ours);
        (void) strv_free(record->made);
        *record = HELPER_RECORD_NULL;
}
