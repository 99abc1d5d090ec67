/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/flush.h"

#include "base/error.h"
#include "daemon/world/ancestors.h"

/* Among so many callers at most the package managers are looked for. */
#define FORGIVEN_MAX 64U

void flush_init(Flush *f, Daemon *d) {
        f->daemon = d;
        TAILQ_INIT(&f->waiters);
}

static void answer_flush(void *userdata, Waiter *w) {
        const Flush *f = userdata;
        _cleanup_strv_free_ char **busy = NULL;
        if (daemon_busy(f->daemon, &busy) < 0)
                waiter_answer(w, OUTCOME_NO_MEMORY, NULL, NULL);
        else
                waiter_answer_names(w, busy);
}

static int add_flush(Flush *f, const FlushRequest *request, const Caller *caller) {
        uint64_t now = now_usec(), timeout = request->timeout,
                 end = timeout > USEC_INFINITY - 1 - now ? USEC_INFINITY - 1 : now + timeout;
        Waiter *w = waiter_new(daemon_waiters(f->daemon), caller, NULL, (Wait){.what = WAIT_FOR_QUIET});
        if (!w)
                return error_origin(-ENOMEM);
        w->pid = caller->peer->pid;
        w->in_hook = request->in_hook;
        int r = waiter_set_limit(w, daemon_event_loop(f->daemon), end, answer_flush, f);
        if (r < 0)
                waiter_free(w);
        else
                waiter_join_queue(w, &f->waiters);
        return r;
}

void flush_request(Flush *f, const FlushRequest *request, const Caller *caller) {
        Daemon *d = f->daemon;
        int r = add_flush(f, request, caller);
        if (r < 0) {
                answer(caller->call, OUTCOME_CANNOT_WAIT, NULL, strerror(-r));
                return;
        }
        for (Record *record = daemon_next(d, NULL); record; record = daemon_next(d, record))
                if (volume_busy(&record->volume))
                        driver_hurry(daemon_driver(d), record);
        daemon_settle_accounts(d); /* even if none is busy */
}

void flush_settled(Flush *f) {
        if (TAILQ_EMPTY(&f->waiters) || !daemon_is_quiet(f->daemon))
                return;
        while (!TAILQ_EMPTY(&f->waiters))
                answer_flush(f, TAILQ_FIRST(&f->waiters));
}

void flush_forgive(const Flush *f, LockedFiles *locked) {
        pid_t pids[ANCESTORS_MAX];
        unsigned n = 0;
        const Waiter *w = NULL;
        TAILQ_FOREACH (w, &f->waiters, in_queue) {
                if (n++ >= FORGIVEN_MAX)
                        return;
                locked_files_forgive(locked, pids, ancestors_of(w->pid, pids));
                locked->ignore_existing = locked->ignore_existing || w->in_hook;
        }
}
