/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/clockset.h"

#include "base/util.h"

#define NSEC_PER_SEC INT64_C(1000000000)
/* Two ticks of a slow clock: the coarse one, which files carry, is behind by up to one. Nobody sets a clock
 * by less. */
#define NOISE_NSEC (20 * INT64_C(1000000))

static int64_t clock_nsec(clockid_t clock) {
        struct timespec t = {};
        (void) clock_gettime(clock, &t);
        return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* In this order, and the other one below, whatever comes in between makes it look as if the clock had been
 * set back a little more. */
int64_t clockset_now(void) {
        int64_t boot = clock_nsec(CLOCK_BOOTTIME);
        return clock_nsec(CLOCK_REALTIME) - boot;
}

struct timespec clockset_earliest(const struct timespec *began, int64_t clock) {
        assert(began);
        int64_t real = clock_nsec(CLOCK_REALTIME), boot = clock_nsec(CLOCK_BOOTTIME);
        int64_t back = clock - (real - boot);
        if (clock == 0 || back < NOISE_NSEC)
                return *began;
        int64_t earliest = MAX(began->tv_sec * NSEC_PER_SEC + began->tv_nsec - back - NOISE_NSEC, INT64_C(0));
        return (struct timespec){.tv_sec = earliest / NSEC_PER_SEC, .tv_nsec = earliest % NSEC_PER_SEC};
}
