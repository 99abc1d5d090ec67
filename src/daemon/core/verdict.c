/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/verdict.h"

#include "bootkeep.h"

VolumeEvent verdict_of_scan(int status, bool unchanged) {
        switch (status) {
        case BOOTKEEP_SCAN_FRESH:
                return VOLUME_SCAN_FRESH;
        case BOOTKEEP_SCAN_STALE:
                return unchanged ? VOLUME_SCAN_STALE_AGAIN : VOLUME_SCAN_STALE;
        case BOOTKEEP_SCAN_NO_MANIFEST:
                return VOLUME_SCAN_NONE;
        case BOOTKEEP_SCAN_REFUSED:
                return VOLUME_SCAN_REFUSED;
        }
        return VOLUME_SCAN_ERROR;
}

VolumeEvent verdict_of_build(int status, bool locked_out) {
        return status == BOOTKEEP_BUILD_SUCCESS    ? VOLUME_BUILD_SUCCESS
               : status != BOOTKEEP_BUILD_TEMPFAIL ? VOLUME_BUILD_FAILURE
               : locked_out                        ? VOLUME_BUILD_LOCKED
                                                   : VOLUME_BUILD_NOT_NOW;
}

VolumeEvent verdict_of_unlock(int status) {
        return status == BOOTKEEP_BUILD_SUCCESS    ? VOLUME_UNLOCKED_SUCCESS
               : status == BOOTKEEP_BUILD_TEMPFAIL ? VOLUME_UNLOCKED
                                                   : VOLUME_UNLOCKED_FAILURE;
}

const char *verdict_to_string(VolumeState state, VolumeEvent verdict) {
        assert(verdict >= VOLUME_SCAN_FRESH && verdict <= VOLUME_SCAN_ERROR);
        if (state != VOLUME_SETTLING)
                return volume_state_to_string(state);
        return verdict == VOLUME_SCAN_FRESH     ? volume_state_to_string(VOLUME_FRESH)
               : verdict == VOLUME_SCAN_NONE    ? volume_state_to_string(VOLUME_PLAIN)
               : verdict == VOLUME_SCAN_REFUSED ? volume_state_to_string(VOLUME_REFUSED)
                                                : volume_state_to_string(VOLUME_STALE);
}
