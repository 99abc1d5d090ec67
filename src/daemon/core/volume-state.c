/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the state of a volume means: to people, and to whoever gives out slots, polls its watch or would take
 * the system down. Changes nothing. */

#include "daemon/core/volume.h"

const char *volume_state_to_string(VolumeState state) {
        static const char *const names[_VOLUME_STATE_MAX] = {
                [VOLUME_NEW] = "new",           [VOLUME_PLAIN] = "plain",
                [VOLUME_REFUSED] = "refused",   [VOLUME_UNTRUSTED] = "untrusted",
                [VOLUME_FRESH] = "fresh",       [VOLUME_SETTLING] = "settling",
                [VOLUME_SCANNING] = "scanning", [VOLUME_STALE] = "stale",
                [VOLUME_BUILDING] = "building", [VOLUME_FAILED] = "failed",
                [VOLUME_GIVEN_UP] = "given-up", [VOLUME_HUNG] = "hung",
        };
        assert(state < _VOLUME_STATE_MAX);
        return names[state];
}

bool volume_listens(const Volume *v) {
        return v->state != VOLUME_SETTLING && !v->changed;
}

bool volume_wants_scan(const Volume *v) {
        return v->scan_due;
}

bool volume_scan_pending(const Volume *v) {
        return v->scan_due || v->scan_runs;
}

bool volume_wants_build(const Volume *v) {
        return v->state == VOLUME_STALE && v->trusted && (v->holds & ~v->waived) == 0;
}

bool volume_holds_scan_slot(const Volume *v) {
        return v->scan_runs && v->state != VOLUME_HUNG;
}

bool volume_holds_build_slot(const Volume *v) {
        return v->state == VOLUME_BUILDING;
}

bool volume_busy(const Volume *v) {
        if (!v->trusted)
                return false;
        switch (v->state) {
        case VOLUME_STALE:
                return v->locked || !(v->holds & VOLUME_HOLD_BLOCKED);
        case VOLUME_BUILDING:
        case VOLUME_FAILED:
                return true;
        /* a change of a volume that was given up is worth one more attempt, but endless change must not hold
         * up a reboot */
        case VOLUME_SETTLING:
                return !v->given_up || v->locked;
        case VOLUME_SCANNING:
                return (v->owed && !v->given_up) || v->locked;
        case VOLUME_NEW:
        case VOLUME_FRESH:
                return v->locked;
        case VOLUME_PLAIN:
        case VOLUME_REFUSED:
        case VOLUME_UNTRUSTED:
        case VOLUME_GIVEN_UP:
        case VOLUME_HUNG:
        case _VOLUME_STATE_MAX:
                return false;
        }
        return false;
}
