/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/locks.h"

#include <sys/queue.h>

#include "base/error.h"
#include "bootkeep.h"
#include "daemon/answer.h"
#include "daemon/clienttext.h"
#include "daemon/core/verdict.h"
#include "daemon/news.h"

/* A call that waits in the line of a lock. */
typedef struct Wait {
        LockRequest request; /* first, so that one is the other */
        BusCall *call;
        bool patient; /* LockReboot: waits until nothing is busy */
} Wait;

/* A call of Flush. */
typedef struct Flushing {
        Locks *locks;
        BusCall *call;
        LockClient client;
        sd_event_source *timer;
        TAILQ_ENTRY(Flushing) all;
} Flushing;

struct Locks {
        Daemon *daemon;
        Bus *bus;
        const Access *access;
        Lock reboot;
        char *reboot_holder; /* its unique name */
        TAILQ_HEAD(FlushingList, Flushing) flushing;
};

static void wait_free(Wait *w) {
        sd_bus_message_unref(w->call);
        free(w);
}

/* One that is no longer in any line. */
static void wait_answer(Wait *w, Outcome outcome, const char *subject, const char *detail) {
        answer_waiting(&w->call, outcome, subject, detail);
        wait_free(w);
}

static Wait *wait_of(LockRequest *request) {
        return (Wait *) request;
}

/* Leaves the line and is forgotten. */
static void drop_request(Lock *lock, LockRequest *request) {
        lock_leave(lock, request);
        wait_free(wait_of(request));
}

static void drop_line(Lock *lock) {
        while (lock_first(lock))
                drop_request(lock, lock_first(lock));
}

static Wait *wait_new(BusCall *call, bool patient) {
        Wait *w = calloc(1, sizeof(*w));
        if (w)
                *w = (Wait){.call = sd_bus_message_ref(call), .patient = patient};
        return w;
}

bool locks_reboot_is_locked(const Locks *l) {
        return l->reboot.holder != 0;
}

const char *locks_holder_name(const Locks *l, const Record *r) {
        const Peer *holder = access_find_peer(l->access, r->lock.holder);
        return holder ? holder->name : "somebody";
}

bool locks_is_locked(const Record *r) {
        return r->lock.holder != 0;
}

/* Brings what is shown and what is held back in line with the locks. */
static void follow_locks(Locks *l, Record *r) {
        daemon_set_lock(l->daemon, r,
                        locks_is_locked(r)          ? VOLUME_LOCK_CLIENT
                        : locks_reboot_is_locked(l) ? VOLUME_LOCK_REBOOT
                                                    : VOLUME_LOCK_NONE);
}

/* When the bus goes away, all waiters vanish together with the holder: none of them may get the lock and lose
 * it. */
static void skip_vanished(Locks *l, Lock *lock) {
        LockRequest *first;
        while ((first = lock_first(lock)) && !access_find_peer(l->access, first->client))
                drop_request(lock, first);
}

/* The next in line gets the lock, if there is one and if that is allowed. */
static void grant_next(Locks *l, Record *r) {
        skip_vanished(l, &r->lock);
        LockRequest *next = lock_next(&r->lock, &l->reboot);
        follow_locks(l, r); /* before the reply: whoever has that finds everything else done */
        if (!next)
                return;
        wait_answer(wait_of(next), OUTCOME_DONE, NULL, NULL);
}

void locks_lock_volume(Locks *l, Record *r, uint32_t flags, const Peer *peer, BusCall *call) {
        if (answer_refuses_flags(call, flags, BOOTKEEP_LOCK_WAIT))
                return;
        Wait *w = flags & BOOTKEEP_LOCK_WAIT ? wait_new(call, true) : NULL;
        int a = flags & BOOTKEEP_LOCK_WAIT && !w
                        ? -ENOMEM
                        : lock_ask(&r->lock, &l->reboot, peer->id, w ? &w->request : NULL);
        if (a == LOCK_GRANTED || a == LOCK_WAITS)
                follow_locks(l, r);
        if (a == LOCK_GRANTED)
                answer_done(call);
        else if (a == LOCK_ALREADY)
                answer(call, OUTCOME_ALREADY_LOCKED, r->name, NULL);
        else if (a == LOCK_REBOOT_IN_PROGRESS)
                answer(call, OUTCOME_REBOOT_SOON, NULL, NULL);
        else if (a == LOCK_BUSY)
                answer(call, OUTCOME_LOCKED, r->name, locks_holder_name(l, r));
        else if (a < 0)
                answer(call, OUTCOME_NO_MEMORY, NULL, NULL);
        if (w && a != LOCK_WAITS)
                wait_free(w);
}

/* The lock is free: the next in line gets it, and what was done under it is scanned. */
static void note_released(Locks *l, Record *r, VolumeEvent how) {
        LogFields fields = news_fields(r, NULL);
        grant_next(l, r); /* first: somebody waits for it */
        if (how == VOLUME_UNLOCKED_SUCCESS && r->volume.failures > 0 && !r->volume.build_runs)
                log_send(LOG_NOTICE, &fields, "succeeded, after %u failure%s", r->volume.failures,
                         r->volume.failures == 1 ? "" : "s");
        driver_feed(daemon_driver(l->daemon), r, how);
}

/* TEXT, which is taken over, says how a client failed: it is found where the reason of our own build would
 * be. */
static void note_client_failed(Record *r, char *text) {
        LogFields fields = news_fields(r, BOOTKEEP_MESSAGE_BUILD_FAILED);
        if (text)
                log_send(LOG_WARNING, &fields, "%s", text);
        else
                (void) log_oom();
        driver_note_failure(r, text);
}

static void note_client_released(Record *r, const BusArguments *a, const Peer *peer) {
        VolumeEvent how = verdict_of_unlock(a->status);
        LogFields fields = news_fields(r, NULL);
        if (how == VOLUME_UNLOCKED_SUCCESS)
                return;
        _cleanup_free_ char *text = clienttext_released(peer, a->status, a->reason);
        if (how == VOLUME_UNLOCKED_FAILURE)
                note_client_failed(r, TAKE_PTR(text));
        else if (text && !isempty(a->reason))
                log_send(LOG_INFO, &fields, "%s", text);
}

void locks_unlock_volume(Locks *l, Record *r, const BusArguments *a, const Peer *peer, BusCall *call) {
        switch (lock_give_back(&r->lock, peer->id)) {
        case LOCK_FREED:
                answer_done(call);
                if (!r->volume.build_runs) /* which tells how it ended */
                        note_client_released(r, a, peer);
                note_released(l, r, verdict_of_unlock(a->status));
                return;
        case LOCK_NOT_LOCKED:
                answer(call, OUTCOME_NOT_LOCKED, r->name, NULL);
                return;
        case LOCK_NOT_HOLDER:
                answer(call, OUTCOME_NOT_HOLDER, r->name, locks_holder_name(l, r));
                return;
        case LOCK_GRANTED:
        case LOCK_WAITS:
        case LOCK_BUSY:
        case LOCK_ALREADY:
        case LOCK_REBOOT_IN_PROGRESS:
                return;
        }
}

/* The reboot lock */

static void tell_reboot(Locks *l) {
        const Peer *holder = access_find_peer(l->access, l->reboot.holder);
        static const char *const properties[] = {"RebootLocked", "RebootLockHolder", "RebootWaiters"};
        (void) free_and_strdup(&l->reboot_holder, holder ? holder->name : NULL);
        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                bus_manager_changed(l->bus, properties[i]);
}

/* What holds up a reboot and will not pass by itself in a moment, as a scan does. */
static const Record *known_busy(const Locks *l) {
        for (Record *r = daemon_next(l->daemon, NULL); r; r = daemon_next(l->daemon, r))
                if (volume_busy(&r->volume) && (locks_is_locked(r) || r->volume.state != VOLUME_SCANNING))
                        return r;
        return NULL;
}

static bool all_quiet(const Locks *l) {
        for (Record *r = daemon_next(l->daemon, NULL); r; r = daemon_next(l->daemon, r))
                if (volume_busy(&r->volume) || !driver_has_looked(r))
                        return false;
        return true;
}

/* Callers that do not want to wait get their reply as soon as it is known that there is something to wait
 * for. */
static void turn_away(Locks *l) {
        const Record *busy = known_busy(l);
        LockRequest *next;
        bool left = false;
        if (!busy && l->reboot.holder == 0)
                return;
        for (LockRequest *r = l->reboot.line; r; r = next) {
                next = r->hh.next;
                Wait *w = wait_of(r);
                if (w->patient)
                        continue;
                lock_leave(&l->reboot, r);
                if (busy)
                        wait_answer(w, OUTCOME_REBOOT_BUSY, busy->name,
                                    locks_is_locked(busy) ? "locked"
                                                          : volume_state_to_string(busy->volume.state));
                else
                        wait_answer(w, OUTCOME_REBOOT_LOCKED, l->reboot_holder, NULL);
                left = true;
        }
        if (left)
                tell_reboot(l);
}

/* Callers that wait for a volume that is not busy (nothing is built there) would now wait in vain. */
static void turn_away_from_volumes(Locks *l) {
        LockRequest *first;
        for (Record *r = daemon_next(l->daemon, NULL); r; r = daemon_next(l->daemon, r)) {
                while ((first = lock_first(&r->lock))) {
                        lock_leave(&r->lock, first);
                        wait_answer(wait_of(first), OUTCOME_REBOOT_SOON, NULL, NULL);
                }
                follow_locks(l, r);
        }
}

static void grant_reboot(Locks *l) {
        LockRequest *first = lock_first(&l->reboot);
        if (!first || l->reboot.holder != 0 || !all_quiet(l))
                return;
        daemon_look_afresh(l->daemon, true); /* it may have waited for a long time */
        if (!all_quiet(l))
                return;
        (void) lock_next(&l->reboot, NULL);
        turn_away_from_volumes(l);
        tell_reboot(l);
        log_notice("Reboot lock granted to %s: nothing is owed", strempty(l->reboot_holder));
        wait_answer(wait_of(first), OUTCOME_DONE, NULL, NULL);
}

void locks_lock_reboot(Locks *l, uint32_t flags, const Peer *peer, BusCall *call) {
        if (answer_refuses_flags(call, flags, BOOTKEEP_LOCK_WAIT))
                return;
        Wait *w = wait_new(call, flags & BOOTKEEP_LOCK_WAIT);
        int a = w ? lock_wait(&l->reboot, peer->id, &w->request) : error_origin(-ENOMEM);
        if (a == LOCK_WAITS) {
                daemon_look_afresh(l->daemon, true); /* so that no mount is overlooked */
                for (Record *r = daemon_next(l->daemon, NULL); r; r = daemon_next(l->daemon, r))
                        driver_hurry(daemon_driver(l->daemon), r);
                daemon_settle_accounts(l->daemon); /* even if there is no volume */
                tell_reboot(l);
                return;
        }
        answer(call, a == LOCK_ALREADY ? OUTCOME_ALREADY_REBOOT : OUTCOME_NO_MEMORY, NULL, NULL);
        if (w)
                wait_free(w);
}

/* The system did not go down: owed work continues. */
static void reboot_released(Locks *l) {
        log_warning("%s held the reboot lock and vanished, but the system did not go down",
                    strempty(l->reboot_holder));
        (void) lock_give_back(&l->reboot, l->reboot.holder);
        tell_reboot(l);
        for (Record *r = daemon_next(l->daemon, NULL); r; r = daemon_next(l->daemon, r))
                grant_next(l, r);
}

/* Flush */

static void flushing_free(Flushing *f) {
        TAILQ_REMOVE(&f->locks->flushing, f, all);
        sd_event_source_disable_unref(f->timer);
        sd_bus_message_unref(f->call);
        free(f);
}

static void flushing_answer(Flushing *f) {
        _cleanup_strv_free_ char **busy = NULL;
        if (daemon_busy(f->locks->daemon, &busy) < 0)
                answer_waiting(&f->call, OUTCOME_NO_MEMORY, NULL, NULL);
        else
                bus_reply_strings(f->call, busy);
        flushing_free(f);
}

static int on_flush_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        flushing_answer(userdata);
        return 0;
}

void locks_flush(Locks *l, uint64_t timeout, const Peer *peer, BusCall *call) {
        uint64_t now = now_usec(),
                 end = timeout > USEC_INFINITY - 1 - now ? USEC_INFINITY - 1 : now + timeout;
        Flushing *f = calloc(1, sizeof(*f));
        int r = f ? sd_event_add_time(daemon_event_loop(l->daemon), &f->timer, CLOCK_BOOTTIME, end, 1000,
                                      on_flush_timeout, f)
                  : error_origin(-ENOMEM);
        if (r < 0) {
                free(f);
                answer(call, OUTCOME_CANNOT_WAIT, NULL, strerror(-r));
                return;
        }
        f->locks = l;
        f->call = sd_bus_message_ref(call);
        f->client = peer->id;
        TAILQ_INSERT_TAIL(&l->flushing, f, all);
        for (Record *v = daemon_next(l->daemon, NULL); v; v = daemon_next(l->daemon, v))
                if (volume_busy(&v->volume))
                        driver_hurry(daemon_driver(l->daemon), v);
        daemon_settle_accounts(l->daemon); /* even if none is busy */
}

static void answer_flushing(Locks *l) {
        if (TAILQ_EMPTY(&l->flushing) || !all_quiet(l))
                return;
        while (!TAILQ_EMPTY(&l->flushing))
                flushing_answer(TAILQ_FIRST(&l->flushing));
}

/* What the daemon and the bus tell */

static void on_settled(void *userdata) {
        Locks *l = userdata;
        answer_flushing(l);
        turn_away(l);
        grant_reboot(l);
}

/* Nothing is built on it either while the system is about to go down. */
static void on_added(void *userdata, Record *r) {
        follow_locks(userdata, r);
}

static void on_removed(void *userdata, Record *r) {
        LockRequest *first;
        while ((first = lock_first(&r->lock))) {
                lock_leave(&r->lock, first);
                wait_answer(wait_of(first), OUTCOME_GONE, r->name, NULL);
        }
}

static void leave_line(Lock *lock, LockClient client) {
        LockRequest *request = lock_find(lock, client);
        if (request)
                drop_request(lock, request);
}

/* Our own build may have ended and been counted before the bus reports that it is gone; and another client
 * may hold the lock while it waits in line. */
static bool is_own_build(const Record *r, const Peer *peer) {
        return peer->pid != 0 ? peer->pid == r->build_pid : r->volume.build_runs;
}

static void lose_volume(Locks *l, Record *r, const Peer *peer) {
        leave_line(&r->lock, peer->id);
        if (lock_give_back(&r->lock, peer->id) != LOCK_FREED) {
                follow_locks(l, r);
                return;
        }
        if (is_own_build(r, peer)) {
                grant_next(l, r);
                return;
        }
        note_client_failed(r, clienttext_vanished(peer));
        note_released(l, r, VOLUME_UNLOCKED_FAILURE);
}

void locks_peer_gone(Locks *l, const Peer *peer) {
        Flushing *next;
        for (Flushing *f = TAILQ_FIRST(&l->flushing); f; f = next) {
                next = TAILQ_NEXT(f, all);
                if (f->client == peer->id)
                        flushing_free(f);
        }
        for (Record *r = daemon_next(l->daemon, NULL); r; r = daemon_next(l->daemon, r))
                if (r->lock.holder == peer->id || lock_find(&r->lock, peer->id))
                        lose_volume(l, r, peer);
        if (lock_find(&l->reboot, peer->id)) {
                leave_line(&l->reboot, peer->id);
                tell_reboot(l);
        }
        if (l->reboot.holder == peer->id)
                reboot_released(l);
}

void locks_view(const Locks *l, BusManager *ret) {
        ret->reboot_locked = l->reboot.holder != 0;
        ret->reboot_lock_holder = l->reboot_holder;
        ret->reboot_waiters = lock_waiters(&l->reboot);
}

int locks_new(Daemon *d, Bus *bus, const Access *access, Locks **ret) {
        static const DaemonHooks hooks = {.settled = on_settled, .added = on_added, .removed = on_removed};
        Locks *l = calloc(1, sizeof(*l));
        if (!l)
                return error_origin(-ENOMEM);
        l->daemon = d;
        l->bus = bus;
        l->access = access;
        TAILQ_INIT(&l->flushing);
        daemon_set_hooks(d, &hooks, l);
        *ret = l;
        return 0;
}

Locks *locks_free(Locks *l) {
        if (l) {
                daemon_set_hooks(l->daemon, NULL, NULL);
                while (!TAILQ_EMPTY(&l->flushing))
                        flushing_free(TAILQ_FIRST(&l->flushing));
                for (Record *r = daemon_next(l->daemon, NULL); r; r = daemon_next(l->daemon, r))
                        drop_line(&r->lock);
                drop_line(&l->reboot);
                free(l->reboot_holder);
        }
        free(l);
        return NULL;
}
