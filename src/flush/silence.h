/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ends a loop with -ETIMEDOUT when whoever should report once a second has been silent for too long. */

#include <systemd/sd-event.h>

#include "base/util.h"

typedef struct Silence {
        sd_event_source *timer;
} Silence;

int silence_begin(Silence *s, sd_event *event);
/* It said something. */
int silence_broken(Silence *s);
void silence_done(Silence *s);
