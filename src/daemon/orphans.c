/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/orphans.h"

#include "base/error.h"

typedef struct Orphan {
        Orphans *all;
        Running running;
        struct Orphan *next;
} Orphan;

struct Orphans {
        sd_event *event;
        Orphan *first;
};

int orphans_new(sd_event *event, Orphans **ret) {
        Orphans *o = calloc(1, sizeof(*o));
        if (!o)
                return error_origin(-ENOMEM);
        o->event = sd_event_ref(event);
        *ret = o;
        return 0;
}

static void orphan_free(Orphan *orphan) {
        running_done(&orphan->running);
        free(orphan);
}

Orphans *orphans_free(Orphans *o) {
        if (o) {
                for (Orphan *next, *i = o->first; i; i = next) {
                        next = i->next;
                        orphan_free(i);
                }
                sd_event_unref(o->event);
        }
        free(o);
        return NULL;
}

static int on_orphan_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Orphan *orphan = userdata;
        (void) running_read(&orphan->running);
        return 0;
}

static int on_orphan_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Orphan *orphan = userdata;
        int status;
        for (Orphan **i = &orphan->all->first; *i; i = &(*i)->next)
                if (*i == orphan) {
                        *i = orphan->next;
                        break;
                }
        (void) job_reap(orphan->running.job, &status);
        orphan_free(orphan);
        return 0;
}

void orphans_take(Orphans *o, Running *r, int signal) {
        if (r->unit) /* nobody need await it: it is not our child, and blocks on no pipe */
                running_kill(r, signal);
        Job *job = TAKE_PTR(r->job);
        Orphan *orphan = job ? calloc(1, sizeof(*orphan)) : NULL;
        running_done(r); /* first: a descriptor is polled once */
        if (job)
                (void) job_kill(job, signal);
        if (!orphan) {
                job_free(job);
                return;
        }
        const RunningHandlers handlers = {on_orphan_output, on_orphan_exit, orphan};
        orphan->all = o;
        if (running_listen(&orphan->running, o->event, job, &handlers) < 0) {
                free(orphan);
                return;
        }
        orphan->next = o->first;
        o->first = orphan;
}

bool orphans_any(const Orphans *o) {
        return o->first;
}
