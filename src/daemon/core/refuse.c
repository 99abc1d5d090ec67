/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/refuse.h"

/* It begins at most this often: a volume that changes every few seconds must not keep systemd busy where it
 * has to be reloaded each time. In between a shutdown is delayed, as without Refuse=. */
#define GAP_USEC USEC_PER_SEC
#define RELOAD_GAP_USEC (60 * USEC_PER_SEC)

bool refuse_wanted(const RefuseFacts *facts, uint64_t now, uint64_t *ret_again) {
        assert(facts && ret_again);
        const RefuseFacts *f = facts;
        uint64_t next = f->since == 0 ? 0 : f->since + (f->reloaded ? RELOAD_GAP_USEC : GAP_USEC);
        *ret_again = USEC_INFINITY;
        if (!f->setting || !f->owed || f->reboot_locked)
                return false;
        if (f->refusing)
                return true;
        if (f->preparing) /* too late for anything new */
                return false;
        if (now < next)
                *ret_again = next;
        return now >= next;
}
