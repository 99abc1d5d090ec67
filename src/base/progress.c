/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/progress.h"

#include <inttypes.h>

#include "base/report.h"

#define TELL_USEC (250 * USEC_PER_MSEC)

static void print_progress(Progress *p) {
        char done[24], of[24];
        p->told_usec = now_usec();
        if (!p->f)
                return;
        (void) snprintf(done, sizeof(done), "%" PRIu64, p->done);
        (void) snprintf(of, sizeof(of), "%" PRIu64, p->of);
        (void) report_print(p->f, "PROGRESS", done, of, NULL);
}

void progress_expect(Progress *p, uint64_t bytes) {
        assert(p && p->done <= p->of);
        if (bytes == 0)
                return;
        p->of += bytes;
        print_progress(p);
}

void progress_repeat(Progress *p) {
        assert(p);
        print_progress(p);
}

void progress_idle(const Progress *p, const char *builder) {
        assert(p && builder);
        if (p->f)
                (void) report_print(p->f, "IDLE", "builder", builder, NULL);
}

void progress_beat(Progress *p) {
        assert(p);
        if (now_usec() - p->told_usec >= PROGRESS_BEAT_USEC)
                print_progress(p);
}

void progress_add(Progress *p, uint64_t bytes) {
        assert(p);
        p->done = MIN(p->done + bytes, p->of);
        if (p->done == p->of || now_usec() - p->told_usec >= TELL_USEC)
                print_progress(p);
}
