/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The common beginning of all stories of a volume. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/core/volume.h"

static const VolumeConfig config = {.settle = 8,
                                    .settle_max = 24,
                                    .unwatched = 24,
                                    .scan_timeout = 10,
                                    .build_timeout = 40,
                                    .retry = 6,
                                    .max_failures = 3,
                                    .max_attempts = 5};

/* A scan slot is always free. */
static inline unsigned event_at(Volume *v, const VolumeConfig *c, VolumeEvent event, uint64_t now) {
        unsigned actions = volume_event(v, c, event, now);
        if (volume_wants_scan(v))
                actions |= volume_event(v, c, VOLUME_SCAN_SLOT, now);
        return actions;
}

#define at(v, event, now) event_at((v), &config, (event), (now))

/* A trusted volume that was scanned at time 1 and found fresh. */
static inline Volume fresh_volume(void) {
        Volume v = volume_init(true);
        assert_int_equal(at(&v, VOLUME_APPEARED, 1), VOLUME_ACT_SCAN);
        assert_int_equal(v.state, VOLUME_NEW);
        at(&v, VOLUME_SCAN_FRESH, 1);
        assert_int_equal(v.state, VOLUME_FRESH);
        return v;
}

/* Lets V settle from its change at NOW until it scans; returns when. */
static inline uint64_t settle_to_scan(Volume *v, uint64_t now) {
        for (;;) {
                assert_int_equal(v->state, VOLUME_SETTLING);
                now = v->timer;
                if (at(v, VOLUME_TIMER, now) == VOLUME_ACT_SCAN)
                        return now;
        }
}
