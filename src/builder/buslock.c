/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file lock (buildlock.c) keeps two builds of a volume apart with or without a daemon; this one keeps a
 * build apart from everybody else. It starts no daemon: where none runs, none gives locks. */

#include "builder/buslock.h"

#include <poll.h>
#include <systemd/sd-bus.h>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "bootkeep.h"

/* Who is in line for longer than this is told so. */
#define PATIENCE_USEC (200 * USEC_PER_MSEC)
/* A bus that does not even let us in by then is none. */
#define GREETING_USEC (5 * USEC_PER_SEC)
/* To give it back is to say so: a daemon that hangs must not keep us. */
#define RELEASE_USEC (5 * USEC_PER_SEC)

/* One turn of waiting at most. */
#define TURN_USEC (60 * USEC_PER_SEC)

struct BusLock {
        sd_bus *bus;
        char *volume;
};

/* The one call for the lock. */
typedef struct Request {
        sd_bus *bus;
        sd_bus_slot *slot;
        sd_bus_message *answer;
} Request;

static void request_done(Request *q) {
        sd_bus_slot_unref(q->slot);
        sd_bus_message_unref(q->answer);
}

BusLock *buslock_free(BusLock *l) {
        if (!l)
                return NULL;
        sd_bus_close_unref(l->bus);
        free(l->volume);
        free(l);
        return NULL;
}

static int connect_to_bus(const char *volume, BusLock **ret) {
        _cleanup_(buslock_freep) BusLock *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return error_origin(-ENOMEM);
        l->volume = strdup(volume);
        if (!l->volume)
                return error_origin(-ENOMEM);
        r = sd_bus_open_system(&l->bus);
        if (r >= 0)
                *ret = TAKE_PTR(l);
        return r;
}

static int new_call(const BusLock *l, const char *method, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(l->bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               BOOTKEEP_MANAGER_INTERFACE, method);

        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                *ret = TAKE_PTR(m);
        return r;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Request *q = userdata;
        q->answer = sd_bus_message_ref(m);
        return 0;
}

static int ask(const BusLock *l, Request *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_call(l, "LockVolume", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "su", l->volume, BOOTKEEP_LOCK_WAIT);
        return r < 0 ? r : sd_bus_call_async(l->bus, &q->slot, m, on_answer, q, UINT64_MAX);
}

/* Until there is something to read, or DEADLINE_USEC, or sd-bus may have deadlines of its own to look after.
 * -EINTR. */
static int poll_bus(sd_bus *bus, Interrupt *interrupt, uint64_t deadline_usec) {
        uint64_t now = now_usec(), rest = deadline_usec > now ? deadline_usec - now : 0;
        struct pollfd p[] = {
                {.fd = sd_bus_get_fd(bus)},
                {.fd = interrupt_get_fd(interrupt), .events = POLLIN},
        };
        int r = sd_bus_get_events(bus);

        if (r < 0)
                return r;
        p[0].events = (short) r;
        if (poll(p, ELEMENTSOF(p), (int) (MIN(rest, TURN_USEC) / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
                return error_origin(-errno);
        return interrupt_check(interrupt) ? error_origin(-EINTR) : 0;
}

static int wait_for_answer(Request *q, Interrupt *interrupt, void (*waiting)(void *userdata),
                           void *userdata) {
        uint64_t patience = now_usec() + PATIENCE_USEC, greeting = now_usec() + GREETING_USEC;

        while (!q->answer) {
                int r = sd_bus_process(q->bus, NULL);
                bool outside = sd_bus_is_ready(q->bus) <= 0;
                if (r == 0)
                        r = poll_bus(q->bus, interrupt, outside ? MIN(patience, greeting) : patience);
                if (r >= 0 && outside && now_usec() >= greeting)
                        r = -ETIMEDOUT;
                if (r < 0)
                        return r;
                if (!q->answer && now_usec() >= patience) {
                        patience = now_usec() + PROGRESS_BEAT_USEC;
                        waiting(userdata);
                }
        }
        return 0;
}

/* Errors with which nobody is there, or it is nobody's business, and nothing is to be said about that. */
static bool is_nobody(const sd_bus_error *e) {
        static const char *const names[] = {
                BOOTKEEP_ERROR_NO_SUCH_VOLUME, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                SD_BUS_ERROR_UNKNOWN_METHOD,   SD_BUS_ERROR_UNKNOWN_OBJECT,
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (sd_bus_error_has_name(e, names[i]))
                        return true;
        return false;
}

static BusLockResult judge(const sd_bus_error *e, const char *volume) {
        if (!e)
                return BUSLOCK_TAKEN;
        if (sd_bus_error_has_name(e, BOOTKEEP_ERROR_REBOOT_IN_PROGRESS))
                return BUSLOCK_REBOOT;
        log_send(is_nobody(e) ? LOG_DEBUG : LOG_WARNING, &(LogFields){.volume = volume},
                 "No lock from bootkeepd, building without it: %s", strempty(e->message));
        return BUSLOCK_NOBODY;
}

int buslock_take(const char *volume, Interrupt *interrupt, void (*waiting)(void *userdata), void *userdata,
                 BusLock **ret, BusLockResult *ret_result) {
        _cleanup_(buslock_freep) BusLock *l = NULL;
        _cleanup_(request_done) Request q = {};
        int r = connect_to_bus(volume, &l);

        if (r >= 0) {
                q.bus = l->bus;
                r = ask(l, &q);
        }
        if (r >= 0)
                r = wait_for_answer(&q, interrupt, waiting, userdata);
        if (r == -EINTR)
                return r;
        if (r < 0) {
                log_debug("No lock from bootkeepd, building without it: %s", strerror(-r));
                *ret_result = BUSLOCK_NOBODY;
                return 0;
        }
        *ret_result = judge(sd_bus_message_get_error(q.answer), volume);
        if (*ret_result == BUSLOCK_TAKEN)
                *ret = TAKE_PTR(l);
        return 0;
}

BusLock *buslock_release(BusLock *l, int exit_status) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (!l)
                return NULL;
        r = new_call(l, "UnlockVolume", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "si", l->volume, (int32_t) exit_status);
        if (r >= 0)
                r = sd_bus_call(l->bus, m, RELEASE_USEC, &error, NULL);
        if (r < 0) /* the daemon or the volume is gone, and the lock with it */
                log_debug("Failed to release the lock: %s",
                          isempty(error.message) ? strerror(-r) : error.message);
        return buslock_free(l);
}
