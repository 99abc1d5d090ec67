/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flush/silence.h"

#include <time.h>

#define SILENCE_USEC (15 * USEC_PER_SEC)

static int on_silence(sd_event_source *s, uint64_t usec, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(s), -ETIMEDOUT);
}

int silence_begin(Silence *s, sd_event *event) {
        return sd_event_add_time(event, &s->timer, CLOCK_BOOTTIME, now_usec() + SILENCE_USEC, USEC_PER_MSEC,
                                 on_silence, NULL);
}

int silence_broken(Silence *s) {
        return sd_event_source_set_time(s->timer, now_usec() + SILENCE_USEC);
}

void silence_done(Silence *s) {
        s->timer = sd_event_source_disable_unref(s->timer);
}
