/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A D-Bus call that waits for its reply, whatever it waits for: in the line of a lock, or in a queue. All of
 * them are kept, answered and freed here; who is answered when is decided elsewhere: pending.c for what a
 * volume has come to, locks.c, rebootlock.c, flush.c. There may be tens of thousands. */

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "daemon/answer.h"
#include "daemon/core/lock.h"
#include "daemon/core/wait.h"
#include "daemon/world/peer.h"

/* A call as it arrives. */
typedef struct Caller {
        const Peer *peer;
        BusCall *call;
} Caller;

typedef struct Waiter Waiter;
typedef void (*waiter_late_t)(void *userdata, Waiter *w);
typedef struct WaiterClient WaiterClient;
typedef TAILQ_HEAD(WaiterQueue, Waiter) WaiterQueue; /* in order of arrival */

struct Waiter {
        LockRequest request;   /* first, so that one is the other */
        Lock *line;            /* of which lock it is in the line, */
        WaiterQueue *queue;    /* or in which queue; NULL: neither */
        struct Record *record; /* the volume that it is about, NULL: all of them */
        Wait wait;
        BusCall *call;
        WaiterClient *client;
        pid_t pid;    /* of the client, for Flush; 0: not known */
        bool in_hook; /* of a package manager, for Flush */
        sd_event_source *limit;
        waiter_late_t late;
        void *late_userdata;
        TAILQ_ENTRY(Waiter) in_queue, of_client;
};

/* All of them. */
typedef struct Waiters {
        WaiterClient *clients; /* those that have a call here, by ID */
} Waiters;

/* A call of CALLER, which is about RECORD or NULL, in no line or queue yet. NULL: out of memory. */
Waiter *waiter_new(Waiters *s, const Caller *caller, struct Record *record, Wait wait);
/* Drops it without a reply. */
Waiter *waiter_free(Waiter *w);

void waiter_join_queue(Waiter *w, WaiterQueue *queue);
/* Its request was put in the line of LOCK. */
void waiter_join_line(Waiter *w, Lock *lock);
/* LATE is called if W is not answered by END. */
int waiter_set_limit(Waiter *w, sd_event *event, uint64_t end, waiter_late_t late, void *userdata);

/* The first in the line of LOCK, who stays there; NULL: nobody waits. */
Waiter *waiter_first(const Lock *lock);
/* The one after W in the line. */
Waiter *waiter_next(const Waiter *w);
/* As lock_next(): the first in line, who holds LOCK now and has left the line. */
Waiter *waiter_take_lock(Lock *lock, const Lock *reboot);

/* Each replies to W and frees it. */
void waiter_answer(Waiter *w, Outcome outcome, const char *subject, const char *detail);
void waiter_answer_names(Waiter *w, char **names);
/* The same to all in the line of LOCK. */
void waiters_answer_line(const Lock *lock, Outcome outcome, const char *subject);
/* The volume of this QUEUE, LOCK and NAME is gone: all that wait for it are told so. */
void waiters_answer_gone(WaiterQueue *queue, const Lock *lock, const char *name);

/* The client of this ID has vanished: there is nobody left to reply to. LEFT is called for each line that it
 * was in: that of RECORD, or NULL: of the reboot lock. */
typedef void (*waiter_left_line_t)(void *userdata, struct Record *record);
void waiters_drop_client(Waiters *s, LockClient id, waiter_left_line_t left, void *userdata);
/* All clients have vanished, or the daemon exits. */
void waiters_drop_all(Waiters *s);
