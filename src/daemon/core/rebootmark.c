/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/rebootmark.h"

unsigned rebootmark_decide(const RebootMark *mark, bool wanted) {
        unsigned acts = 0;
        if (wanted) {
                acts |= mark->exists ? 0U : REBOOTMARK_MAKE;
                acts |= mark->lists_us ? 0U : REBOOTMARK_LIST;
        } else {
                acts |= mark->lists_us ? REBOOTMARK_UNLIST : 0U;
                acts |= mark->exists && mark->ours && !mark->lists_others ? REBOOTMARK_REMOVE : 0U;
        }
        return acts;
}
