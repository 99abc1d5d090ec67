/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One-shot timers of the loop, by CLOCK_BOOTTIME. */

#include <systemd/sd-event.h>

#include "base/util.h"

/* Has HANDLER called at WHEN (USEC_INFINITY: not at all). *SOURCE is created on first use; its owner disables
 * and unrefs it. 0 or negative errno. */
int timer_set(sd_event *event, sd_event_source **source, uint64_t when, sd_event_time_handler_t handler,
              void *userdata);
