/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/rebootlock.h"

#include "base/error.h"
#include "base/log.h"
#include "bootkeep.h"

struct RebootLock {
        Daemon *daemon;
        Bus *bus;
        const Access *access;
        Locks *locks;
        Lock *lock;
        char *holder;                    /* its unique name */
        bool (*is_open)(void *userdata); /* may be NULL */
        void *gate;
};

int rebootlock_new(Daemon *d, Bus *bus, const Access *access, Locks *locks, RebootLock **ret) {
        RebootLock *l = calloc(1, sizeof(*l));
        if (!l)
                return error_origin(-ENOMEM);
        l->daemon = d;
        l->bus = bus;
        l->access = access;
        l->locks = locks;
        l->lock = locks_reboot(locks);
        *ret = l;
        return 0;
}

RebootLock *rebootlock_free(RebootLock *l) {
        if (l)
                free(l->holder);
        free(l);
        return NULL;
}

void rebootlock_set_gate(RebootLock *l, bool (*is_open)(void *userdata), void *userdata) {
        l->is_open = is_open;
        l->gate = userdata;
}

bool rebootlock_is_held(const RebootLock *l) {
        return l->lock->holder != 0;
}

void rebootlock_view(const RebootLock *l, BusManager *ret) {
        ret->reboot_locked = rebootlock_is_held(l);
        ret->reboot_lock_holder = l->holder;
        ret->reboot_waiters = lock_waiters(l->lock);
}

void rebootlock_tell(RebootLock *l) {
        const Peer *holder = access_find_peer(l->access, l->lock->holder);
        static const char *const properties[] = {"RebootLocked", "RebootLockHolder", "RebootWaiters"};
        (void) free_and_strdup(&l->holder, holder ? holder->name : NULL);
        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                bus_manager_changed(l->bus, properties[i]);
}

/* What holds up a reboot and will not pass by itself in a moment, as a scan does. */
static const Record *known_busy(const RebootLock *l) {
        for (Record *record = daemon_next(l->daemon, NULL); record; record = daemon_next(l->daemon, record))
                if (volume_busy(&record->volume) &&
                    (locks_is_locked(record) || record->volume.state != VOLUME_SCANNING))
                        return record;
        return NULL;
}

static void answer_busy(Waiter *w, const Record *busy) {
        waiter_answer(w, OUTCOME_REBOOT_BUSY, busy->name,
                      locks_is_locked(busy) ? "locked" : volume_state_to_string(busy->volume.state));
}

/* Callers that do not want to wait get their reply as soon as it is known that there is something to wait
 * for. */
static void turn_away_impatient(RebootLock *l) {
        const Record *busy = known_busy(l);
        Waiter *next;
        bool left = false;
        if (!busy && !rebootlock_is_held(l))
                return;
        for (Waiter *w = waiter_first(l->lock); w; w = next) {
                next = waiter_next(w);
                if (w->wait.what != WAIT_FOR_REBOOT_NOW)
                        continue;
                if (busy)
                        answer_busy(w, busy);
                else
                        waiter_answer(w, OUTCOME_REBOOT_LOCKED, l->holder, NULL);
                left = true;
        }
        if (left)
                rebootlock_tell(l);
}

static void grant_reboot(RebootLock *l) {
        if (!lock_first(l->lock) || rebootlock_is_held(l) || !daemon_is_quiet(l->daemon))
                return;
        daemon_look_afresh(l->daemon, true); /* it may have waited for a long time */
        if (!daemon_is_quiet(l->daemon) || (l->is_open && !l->is_open(l->gate)))
                return;
        Waiter *first = waiter_take_lock(l->lock, NULL);
        locks_turn_away(l->locks);
        rebootlock_tell(l);
        log_notice("Reboot lock granted to %s: nothing is owed", strempty(l->holder));
        waiter_answer(first, OUTCOME_DONE, NULL, NULL);
}

void rebootlock_settled(RebootLock *l) {
        turn_away_impatient(l);
        grant_reboot(l);
}

/* No mount is overlooked, and what is owed is done at once. */
static void hurry_all(RebootLock *l) {
        daemon_look_afresh(l->daemon, true);
        for (Record *record = daemon_next(l->daemon, NULL); record; record = daemon_next(l->daemon, record))
                driver_hurry(daemon_driver(l->daemon), record);
        daemon_settle_accounts(l->daemon); /* even if there is no volume */
}

void rebootlock_request(RebootLock *l, uint32_t flags, const Caller *caller) {
        if (answer_refuses_flags(caller->call, flags, BOOTKEEP_LOCK_WAIT))
                return;
        Wait wait = {.what = flags & BOOTKEEP_LOCK_WAIT ? WAIT_FOR_REBOOT : WAIT_FOR_REBOOT_NOW};
        Waiter *w = waiter_new(daemon_waiters(l->daemon), caller, NULL, wait);
        int r = w ? lock_wait(l->lock, caller->peer->id, &w->request) : error_origin(-ENOMEM);
        if (r != LOCK_WAITS) {
                waiter_free(w);
                answer(caller->call, r == LOCK_ALREADY ? OUTCOME_ALREADY_REBOOT : OUTCOME_NO_MEMORY, NULL,
                       NULL);
                return;
        }
        waiter_join_line(w, l->lock);
        hurry_all(l);
        rebootlock_tell(l);
}

/* If the system did not go down, owed work continues. */
void rebootlock_peer_gone(RebootLock *l, const Peer *peer, bool goes_down) {
        if (l->lock->holder != peer->id)
                return;
        if (goes_down)
                log_info("%s held the reboot lock, and goes down with the system", strempty(l->holder));
        else
                log_warning("%s held the reboot lock and vanished, but the system did not go down",
                            strempty(l->holder));
        (void) lock_give_back(l->lock, peer->id);
        rebootlock_tell(l);
        locks_grant(l->locks);
}
