/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bootedstate.h"

static const char *const names[_BOOTED_STATE_MAX] = {
        [BOOTED_UNKNOWN] = "unknown",
        [BOOTED_CURRENT] = "current",
        [BOOTED_REPLACED] = "replaced",
        [BOOTED_PREVIOUS] = "previous",
};

const char *booted_state_to_string(BootedState state) {
        assert(state >= 0 && state < _BOOTED_STATE_MAX);
        return names[state];
}

BootedState booted_state_from_string(const char *s) {
        assert(s);
        for (BootedState state = 0; state < _BOOTED_STATE_MAX; state++)
                if (streq(s, names[state]))
                        return state;
        return _BOOTED_STATE_INVALID;
}
