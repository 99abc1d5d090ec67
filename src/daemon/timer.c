/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/timer.h"

#include <assert.h>
#include <time.h>

#define ACCURACY_USEC USEC_PER_MSEC

int timer_set(sd_event *event, sd_event_source **source, uint64_t when, sd_event_time_handler_t handler,
              void *userdata) {
        assert(handler);
        if (when == USEC_INFINITY)
                return *source ? sd_event_source_set_enabled(*source, SD_EVENT_OFF) : 0;
        if (!*source)
                return sd_event_add_time(event, source, CLOCK_BOOTTIME, when, ACCURACY_USEC, handler,
                                         userdata);
        int r = sd_event_source_set_time(*source, when);
        return r < 0 ? r : sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
}
