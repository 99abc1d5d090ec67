/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/activity.h"

/* What a process has used may be lost when it ends: then it becomes less, and that one has ended is activity,
 * too, if it had done anything. */
static uint64_t distance(uint64_t a, uint64_t b) {
        return a > b ? a - b : b - a;
}

bool activity_judge(Activity *a, const Usage *now, uint64_t now_usec) {
        assert(now_usec >= a->since_usec);
        bool active = now->io_bytes != a->since.io_bytes ||
                      distance(now->cpu_usec, a->since.cpu_usec) >= ACTIVITY_CPU_USEC;
        if (active || now_usec - a->since_usec >= ACTIVITY_WINDOW_USEC)
                *a = (Activity){.since = *now, .since_usec = now_usec};
        return active;
}
