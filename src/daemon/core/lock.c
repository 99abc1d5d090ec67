/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/lock.h"

LockRequest *lock_find(const Lock *l, LockClient client) {
        LockRequest *request;
        assert(client != 0);
        HASH_FIND(hh, l->line, &client, sizeof(client), request);
        return request;
}

int lock_wait(Lock *l, LockClient client, LockRequest *request) {
        assert(client != 0 && request);
        if (l->holder == client || lock_find(l, client))
                return LOCK_ALREADY;
        /* uthash keeps the order of arrival: the head of the table is the head of the line */
        *request = (LockRequest){.client = client};
        HASH_ADD(hh, l->line, client, sizeof(request->client), request);
        return request->hh.tbl ? LOCK_WAITS : -ENOMEM;
}

int lock_ask(Lock *l, const Lock *reboot, LockClient client, LockRequest *wait) {
        assert(client != 0);
        assert(reboot != l);
        if (reboot && reboot->holder != 0)
                return LOCK_REBOOT_IN_PROGRESS;
        if (l->holder == client || lock_find(l, client))
                return LOCK_ALREADY;
        if (l->holder == 0 && !l->line) {
                l->holder = client;
                return LOCK_GRANTED;
        }
        return wait ? lock_wait(l, client, wait) : LOCK_BUSY;
}

LockAnswer lock_give_back(Lock *l, LockClient client) {
        assert(client != 0);
        if (l->holder == 0)
                return LOCK_NOT_LOCKED;
        if (l->holder != client)
                return LOCK_NOT_HOLDER;
        l->holder = 0;
        return LOCK_FREED;
}

LockRequest *lock_next(Lock *l, const Lock *reboot) {
        LockRequest *first = l->line;
        if (!first || l->holder != 0 || (reboot && reboot->holder != 0))
                return NULL;
        lock_leave(l, first);
        assert(!lock_find(l, first->client)); /* whoever holds it does not wait */
        l->holder = first->client;
        return first;
}

LockRequest *lock_first(const Lock *l) {
        return l->line;
}

void lock_leave(Lock *l, LockRequest *request) {
        assert(lock_find(l, request->client) == request);
        HASH_DEL(l->line, request);
}

unsigned lock_waiters(const Lock *l) {
        return HASH_COUNT(l->line);
}
