/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/waiter.h"

#include "daemon/timer.h"

/* A client, while it waits for something. */
struct WaiterClient {
        LockClient id;
        Waiters *all;
        WaiterQueue waiters;
        UT_hash_handle hh; /* by ID */
};

static WaiterClient *find_waiting_client(const Waiters *s, LockClient id) {
        WaiterClient *client;
        HASH_FIND(hh, s->clients, &id, sizeof(id), client);
        return client;
}

static WaiterClient *add_waiting_client(Waiters *s, LockClient id) {
        WaiterClient *client = calloc(1, sizeof(*client));
        if (!client)
                return NULL;
        client->id = id;
        client->all = s;
        TAILQ_INIT(&client->waiters);
        HASH_ADD(hh, s->clients, id, sizeof(client->id), client);
        if (client->hh.tbl)
                return client;
        free(client);
        return NULL;
}

static void forget_client_if_served(WaiterClient *client) {
        if (!TAILQ_EMPTY(&client->waiters))
                return;
        HASH_DEL(client->all->clients, client);
        free(client);
}

Waiter *waiter_new(Waiters *s, const Caller *caller, struct Record *record, Wait wait) {
        LockClient id = caller->peer->id;
        WaiterClient *client = find_waiting_client(s, id);
        if (!client)
                client = add_waiting_client(s, id);
        if (!client)
                return NULL;
        Waiter *w = calloc(1, sizeof(*w));
        if (!w) {
                forget_client_if_served(client);
                return NULL;
        }
        w->record = record;
        w->wait = wait;
        w->call = sd_bus_message_ref(caller->call);
        w->client = client;
        TAILQ_INSERT_TAIL(&client->waiters, w, of_client);
        return w;
}

Waiter *waiter_free(Waiter *w) {
        if (!w)
                return NULL;
        if (w->line)
                lock_leave(w->line, &w->request);
        if (w->queue)
                TAILQ_REMOVE(w->queue, w, in_queue);
        TAILQ_REMOVE(&w->client->waiters, w, of_client);
        forget_client_if_served(w->client);
        sd_event_source_disable_unref(w->limit);
        sd_bus_message_unref(w->call);
        free(w);
        return NULL;
}

void waiter_join_queue(Waiter *w, WaiterQueue *queue) {
        assert(!w->line && !w->queue);
        TAILQ_INSERT_TAIL(queue, w, in_queue);
        w->queue = queue;
}

void waiter_join_line(Waiter *w, Lock *lock) {
        assert(!w->line && !w->queue);
        assert(lock_find(lock, w->client->id) == &w->request);
        w->line = lock;
}

static int on_waiter_late(sd_event_source *s, uint64_t usec, void *userdata) {
        Waiter *w = userdata;
        w->late(w->late_userdata, w);
        return 0;
}

int waiter_set_limit(Waiter *w, sd_event *event, uint64_t end, waiter_late_t late, void *userdata) {
        assert(late);
        w->late = late;
        w->late_userdata = userdata;
        return timer_set(event, &w->limit, end, on_waiter_late, w);
}

/* All requests in the lines of locks are those of waiters. */
static Waiter *waiter_of(LockRequest *request) {
        return (Waiter *) request;
}

Waiter *waiter_first(const Lock *lock) {
        return waiter_of(lock_first(lock));
}

Waiter *waiter_next(const Waiter *w) {
        return w->request.hh.next;
}

Waiter *waiter_take_lock(Lock *lock, const Lock *reboot) {
        Waiter *w = waiter_of(lock_next(lock, reboot));
        if (w)
                w->line = NULL;
        return w;
}

void waiter_answer(Waiter *w, Outcome outcome, const char *subject, const char *detail) {
        answer(w->call, outcome, subject, detail);
        waiter_free(w);
}

void waiter_answer_names(Waiter *w, char **names) {
        bus_reply_strings(w->call, names);
        waiter_free(w);
}

void waiters_answer_line(const Lock *lock, Outcome outcome, const char *subject) {
        Waiter *w;
        while ((w = waiter_first(lock)))
                waiter_answer(w, outcome, subject, NULL);
}

void waiters_answer_gone(WaiterQueue *queue, const Lock *lock, const char *name) {
        while (!TAILQ_EMPTY(queue))
                waiter_answer(TAILQ_FIRST(queue), OUTCOME_GONE, name, NULL);
        waiters_answer_line(lock, OUTCOME_GONE, name);
}

void waiters_drop_client(Waiters *s, LockClient id, waiter_left_line_t left, void *userdata) {
        WaiterClient *client;
        while ((client = find_waiting_client(s, id))) {
                Waiter *w = TAILQ_FIRST(&client->waiters);
                struct Record *record = w->record;
                bool was_in_line = w->line;
                waiter_free(w);
                if (was_in_line)
                        left(userdata, record);
        }
}

void waiters_drop_all(Waiters *s) {
        while (s->clients)
                waiter_free(TAILQ_FIRST(&s->clients->waiters));
}
