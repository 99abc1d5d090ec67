/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* What the machine was booted from, compared with what its helper carries now. */
typedef enum BootedState {
        BOOTED_UNKNOWN,
        BOOTED_CURRENT,
        BOOTED_REPLACED, /* something newer was put there since: the next boot starts that */
        BOOTED_PREVIOUS, /* the newer one was there already, and was not started */
        _BOOTED_STATE_MAX,
        _BOOTED_STATE_INVALID = -EINVAL,
} BootedState;

const char *booted_state_to_string(BootedState state);
BootedState booted_state_from_string(const char *s);
