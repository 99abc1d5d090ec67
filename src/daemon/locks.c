/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/locks.h"

#include "base/error.h"
#include "bootkeep.h"
#include "daemon/clienttext.h"
#include "daemon/core/verdict.h"
#include "daemon/news.h"

struct Locks {
        Daemon *daemon;
        Access *access;
        Lock reboot;
        bool last_chance;
};

int locks_new(Daemon *d, Access *access, Locks **ret) {
        Locks *l = calloc(1, sizeof(*l));
        if (!l)
                return error_origin(-ENOMEM);
        l->daemon = d;
        l->access = access;
        *ret = l;
        return 0;
}

Locks *locks_free(Locks *l) {
        free(l);
        return NULL;
}

Lock *locks_reboot(Locks *l) {
        return &l->reboot;
}

const char *locks_holder_name(const Locks *l, const Record *record) {
        const Peer *holder = access_find_peer(l->access, record->lock.holder);
        return holder ? holder->name : "somebody";
}

bool locks_check_holder(const Locks *l, const Record *record, const Caller *caller) {
        if (record->lock.holder == caller->peer->id)
                return true;
        if (!locks_is_locked(record))
                answer(caller->call, OUTCOME_NOT_LOCKED, record->name, NULL);
        else
                answer(caller->call, OUTCOME_NOT_HOLDER, record->name, locks_holder_name(l, record));
        return false;
}

bool locks_is_locked(const Record *record) {
        return record->lock.holder != 0;
}

void locks_follow(Locks *l, Record *record) {
        daemon_set_lock(l->daemon, record,
                        locks_is_locked(record)                    ? VOLUME_LOCK_CLIENT
                        : l->reboot.holder != 0 && !l->last_chance ? VOLUME_LOCK_REBOOT
                                                                   : VOLUME_LOCK_NONE);
}

/* The next in line gets the lock, if there is one and if that is allowed. */
static void grant_next(Locks *l, Record *record) {
        Waiter *next = waiter_take_lock(&record->lock, &l->reboot);
        locks_follow(l, record); /* before the reply: whoever has that finds everything else done */
        if (next)
                waiter_answer(next, OUTCOME_DONE, NULL, NULL);
}

void locks_grant(Locks *l) {
        for (Record *record = daemon_next(l->daemon, NULL); record; record = daemon_next(l->daemon, record))
                grant_next(l, record);
}

void locks_turn_away(Locks *l) {
        for (Record *record = daemon_next(l->daemon, NULL); record; record = daemon_next(l->daemon, record)) {
                waiters_answer_line(&record->lock, OUTCOME_REBOOT_SOON, NULL);
                locks_follow(l, record);
        }
}

/* Did not get in line. */
static void answer_lock(const Locks *l, const Record *record, int r, BusCall *call) {
        if (r == LOCK_GRANTED)
                answer_done(call);
        else if (r == LOCK_ALREADY)
                answer(call, OUTCOME_ALREADY_LOCKED, record->name, NULL);
        else if (r == LOCK_REBOOT_IN_PROGRESS)
                answer(call, OUTCOME_REBOOT_SOON, NULL, NULL);
        else if (r == LOCK_BUSY)
                answer(call, OUTCOME_LOCKED, record->name, locks_holder_name(l, record));
        else
                answer(call, OUTCOME_NO_MEMORY, NULL, NULL);
}

void locks_lock_volume(Locks *l, Record *record, uint32_t flags, const Caller *caller) {
        if (answer_refuses_flags(caller->call, flags, BOOTKEEP_LOCK_WAIT))
                return;
        bool own =
                driver_is_build(record, caller->peer->pid); /* once asked while it runs, this stays known */
        if (l->last_chance && !own) {
                answer(caller->call, OUTCOME_REBOOT_SOON, NULL, NULL);
                return;
        }
        bool waits = flags & BOOTKEEP_LOCK_WAIT;
        Waiter *w = waits ? waiter_new(daemon_waiters(l->daemon), caller, record, (Wait){WAIT_FOR_LOCK, 0})
                          : NULL;
        int r = waits && !w ? error_origin(-ENOMEM)
                            : lock_ask(&record->lock, l->last_chance ? NULL : &l->reboot, caller->peer->id,
                                       w ? &w->request : NULL);
        if (r == LOCK_WAITS)
                waiter_join_line(w, &record->lock);
        else
                waiter_free(w);
        if (r == LOCK_GRANTED || r == LOCK_WAITS)
                locks_follow(l, record);
        if (r != LOCK_WAITS)
                answer_lock(l, record, r, caller->call);
}

/* The lock is free: the next in line gets it, and what was done under it is scanned. */
static void note_released(Locks *l, Record *record, VolumeEvent how) {
        LogFields fields = news_fields(record, NULL);
        grant_next(l, record); /* first: somebody waits for it */
        if (how == VOLUME_UNLOCKED_SUCCESS && record->volume.failures > 0 && !record->volume.build_runs)
                log_send(LOG_NOTICE, &fields, "succeeded, after %u failure%s", record->volume.failures,
                         record->volume.failures == 1 ? "" : "s");
        driver_feed(daemon_driver(l->daemon), record, how);
}

/* TEXT, which is taken over, says how a client failed: it is found where the reason of our own build would
 * be. */
static void note_client_failed(Record *record, char *text) {
        LogFields fields = news_fields(record, BOOTKEEP_MESSAGE_BUILD_FAILED);
        if (text)
                log_send(LOG_WARNING, &fields, "%s", text);
        else
                (void) log_oom();
        driver_note_failure(record, text);
}

static void note_client_released(Record *record, const BusArguments *a, const Peer *peer) {
        VolumeEvent how = verdict_of_unlock(a->status);
        LogFields fields = news_fields(record, NULL);
        if (how == VOLUME_UNLOCKED_SUCCESS)
                return;
        _cleanup_free_ char *text = clienttext_released(peer, a->status, a->reason);
        if (how == VOLUME_UNLOCKED_FAILURE)
                note_client_failed(record, TAKE_PTR(text));
        else if (text && !isempty(a->reason))
                log_send(LOG_INFO, &fields, "%s", text);
}

void locks_unlock_volume(Locks *l, Record *record, const BusArguments *a, const Caller *caller) {
        switch (lock_give_back(&record->lock, caller->peer->id)) {
        case LOCK_FREED:
                answer_done(caller->call);
                if (!driver_is_build(record, caller->peer->pid)) /* which tells itself how it ended */
                        note_client_released(record, a, caller->peer);
                note_released(l, record, verdict_of_unlock(a->status));
                return;
        case LOCK_NOT_LOCKED:
                answer(caller->call, OUTCOME_NOT_LOCKED, record->name, NULL);
                return;
        case LOCK_NOT_HOLDER:
                answer(caller->call, OUTCOME_NOT_HOLDER, record->name, locks_holder_name(l, record));
                return;
        case LOCK_GRANTED:
        case LOCK_WAITS:
        case LOCK_BUSY:
        case LOCK_ALREADY:
        case LOCK_REBOOT_IN_PROGRESS:
                return;
        }
}

void locks_adopt(Locks *l, sd_bus *bus, Record *record) {
        const char *client = record->build.report ? record->build.report->client : NULL;
        if (!client || locks_is_locked(record))
                return;
        const Peer *peer = access_look_up_name(l->access, bus, client);
        if (!peer || !driver_is_build(record, peer->pid) ||
            lock_ask(&record->lock, &l->reboot, peer->id, NULL) != LOCK_GRANTED)
                return;
        locks_follow(l, record);
}

static void lose_volume(Locks *l, Record *record, const Peer *peer) {
        (void) lock_give_back(&record->lock, peer->id);
        /* our own build may have ended and been counted before the bus reports that it is gone; and another
         * client may hold the lock while it waits in line */
        if (driver_is_build(record, peer->pid)) {
                grant_next(l, record);
                return;
        }
        note_client_failed(record, clienttext_vanished(peer));
        note_released(l, record, VOLUME_UNLOCKED_FAILURE);
}

void locks_peer_gone(Locks *l, const Peer *peer) {
        for (Record *record = daemon_next(l->daemon, NULL); record; record = daemon_next(l->daemon, record))
                if (record->lock.holder == peer->id)
                        lose_volume(l, record, peer);
}

/* As if the client had vanished, which it soon will. */
static void void_lock(Locks *l, Record *record) {
        const Peer *holder = access_find_peer(l->access, record->lock.holder);
        if (!holder || driver_is_build(record, holder->pid))
                return;
        (void) lock_give_back(&record->lock, holder->id);
        note_client_failed(record, clienttext_late(holder));
        note_released(l, record, VOLUME_UNLOCKED_FAILURE);
}

void locks_set_last_chance(Locks *l, bool on) {
        l->last_chance = on;
        for (Record *record = daemon_next(l->daemon, NULL); record; record = daemon_next(l->daemon, record)) {
                if (on) {
                        waiters_answer_line(&record->lock, OUTCOME_REBOOT_SOON, NULL);
                        void_lock(l, record);
                }
                locks_follow(l, record);
        }
}
