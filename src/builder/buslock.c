/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file lock (buildlock.c) keeps two builds of a volume apart with or without a daemon; this one keeps a
 * build apart from everybody else. It does not start a daemon: if none is running, nobody gives out locks. */

#include "builder/buslock.h"

#include <poll.h>
#include <systemd/sd-bus.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/progress.h"
#include "bootkeep.h"

/* A build in line for longer than this is told so. */
#define PATIENCE_USEC (200 * USEC_PER_MSEC)
/* A bus that does not even accept us by then counts as none. */
#define GREETING_USEC (5 * USEC_PER_SEC)
/* Releasing only takes sending the call: a daemon that hangs must not block us. */
#define RELEASE_USEC (5 * USEC_PER_SEC)

/* How long a switch waits for the daemon. */
#define SWITCH_USEC USEC_PER_SEC

/* One turn of waiting at most. */
#define TURN_USEC (60 * USEC_PER_SEC)

struct BusLock {
        sd_bus *bus;
        char *volume;
        bool mute; /* nothing more is said about switches: the daemon knows none, or does not answer */
};

/* The one call for the lock. */
typedef struct LockCall {
        sd_bus *bus;
        const Patience *patience;
        sd_bus_slot *slot;
        sd_bus_message *answer;
} LockCall;

static void lock_call_done(LockCall *call) {
        sd_bus_slot_unref(call->slot);
        sd_bus_message_unref(call->answer);
}

BusLock *buslock_free(BusLock *lock) {
        if (!lock)
                return NULL;
        sd_bus_close_unref(lock->bus);
        free(lock->volume);
        free(lock);
        return NULL;
}

static int connect_to_bus(const char *volume, BusLock **ret) {
        _cleanup_(buslock_freep) BusLock *lock = calloc(1, sizeof(*lock));
        if (!lock)
                return error_origin(-ENOMEM);
        lock->volume = strdup(volume);
        if (!lock->volume)
                return error_origin(-ENOMEM);
        int r = sd_bus_open_system(&lock->bus);
        if (r >= 0)
                *ret = TAKE_PTR(lock);
        return r;
}

static int new_call(const BusLock *lock, const char *method, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(lock->bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               BOOTKEEP_MANAGER_INTERFACE, method);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                *ret = TAKE_PTR(m);
        return r;
}

static int on_lock_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        LockCall *call = userdata;
        call->answer = sd_bus_message_ref(m);
        return 0;
}

static int send_lock_call(const BusLock *lock, bool no_wait, LockCall *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        uint32_t flags = no_wait ? 0 : BOOTKEEP_LOCK_WAIT;
        int r = new_call(lock, "LockVolume", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "su", lock->volume, flags);
        return r < 0 ? r : sd_bus_call_async(lock->bus, &call->slot, m, on_lock_answer, call, UINT64_MAX);
}

/* Waits until there is something to read, or DEADLINE_USEC, or a deadline of sd-bus. -EINTR. */
static int poll_bus(const LockCall *call, uint64_t deadline_usec) {
        Interrupt *interrupt = call->patience->interrupt;
        uint64_t now = now_usec(), rest = deadline_usec > now ? deadline_usec - now : 0;
        struct pollfd p[] = {
                {.fd = sd_bus_get_fd(call->bus)},
                {.fd = interrupt_get_fd(interrupt), .events = POLLIN},
        };
        int r = sd_bus_get_events(call->bus);
        if (r < 0)
                return r;
        p[0].events = (short) r;
        if (poll(p, ELEMENTSOF(p), (int) (MIN(rest, TURN_USEC) / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
                return error_origin(-errno);
        return interrupt_check(interrupt) ? error_origin(-EINTR) : 0;
}

static int await_lock(LockCall *call) {
        uint64_t patience = now_usec() + PATIENCE_USEC, greeting = now_usec() + GREETING_USEC;
        while (!call->answer) {
                int r = sd_bus_process(call->bus, NULL);
                bool outside = sd_bus_is_ready(call->bus) <= 0;
                if (r == 0)
                        r = poll_bus(call, outside ? MIN(patience, greeting) : patience);
                if (r >= 0 && outside && now_usec() >= greeting)
                        r = -ETIMEDOUT;
                if (r < 0)
                        return r;
                if (!call->answer && now_usec() >= patience) {
                        patience = now_usec() + PROGRESS_BEAT_USEC;
                        call->patience->beat(call->patience->userdata);
                }
        }
        return 0;
}

/* Errors that mean that there is no daemon, or that it does not care; not worth mentioning. */
static bool is_nobody(const sd_bus_error *error) {
        static const char *const names[] = {
                BOOTKEEP_ERROR_NO_SUCH_VOLUME, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                SD_BUS_ERROR_UNKNOWN_METHOD,   SD_BUS_ERROR_UNKNOWN_OBJECT,
        };
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (sd_bus_error_has_name(error, names[i]))
                        return true;
        return false;
}

static BusLockResult result_of_answer(const sd_bus_error *error, const char *volume) {
        if (!error)
                return BUSLOCK_TAKEN;
        if (sd_bus_error_has_name(error, BOOTKEEP_ERROR_REBOOT_IN_PROGRESS))
                return BUSLOCK_REBOOT;
        if (sd_bus_error_has_name(error, BOOTKEEP_ERROR_BUSY))
                return BUSLOCK_BUSY;
        log_send(is_nobody(error) ? LOG_DEBUG : LOG_WARNING, &(LogFields){.volume = volume},
                 "No lock from bootkeepd, building without it: %s", strempty(error->message));
        return BUSLOCK_NOBODY;
}

int buslock_take(const BusLockRequest *request, BusLock **ret, BusLockResult *ret_result, char **ret_holder) {
        assert(request->volume && request->patience.beat);
        assert(ret && ret_result && ret_holder);
        _cleanup_(buslock_freep) BusLock *lock = NULL;
        _cleanup_(lock_call_done) LockCall call = {.patience = &request->patience};
        int r = connect_to_bus(request->volume, &lock);
        if (r >= 0) {
                call.bus = lock->bus;
                r = send_lock_call(lock, request->no_wait, &call);
        }
        if (r >= 0)
                r = await_lock(&call);
        if (r == -EINTR || r == -ENOMEM)
                return r;
        if (r < 0) {
                log_debug("No lock from bootkeepd, building without it: %s", strerror(-r));
                *ret_result = BUSLOCK_NOBODY;
                return 0;
        }
        const sd_bus_error *error = sd_bus_message_get_error(call.answer);
        BusLockResult result = result_of_answer(error, request->volume);
        if (result == BUSLOCK_BUSY && free_and_strdup(ret_holder, strempty(error->message)) < 0)
                return error_origin(-ENOMEM);
        if (result == BUSLOCK_TAKEN)
                *ret = TAKE_PTR(lock);
        *ret_result = result;
        return 0;
}

void buslock_tell_between(BusLock *lock, bool between) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        if (lock->mute)
                return;
        int r = new_call(lock, between ? "BeginSwitch" : "EndSwitch", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", lock->volume);
        if (r >= 0 && !between)
                r = sd_bus_message_set_expect_reply(m, false);
        if (r >= 0)
                r = between ? sd_bus_call(lock->bus, m, SWITCH_USEC, &error, NULL)
                            : sd_bus_send(lock->bus, m, NULL);
        if (r >= 0)
                return;
        log_debug("Switching without a word from bootkeepd: %s",
                  isempty(error.message) ? strerror(-r) : error.message);
        lock->mute = true;
}

const char *buslock_client(const BusLock *lock) {
        const char *name = NULL;
        return lock && sd_bus_get_unique_name(lock->bus, &name) >= 0 ? name : NULL;
}

int buslock_get_fd(const BusLock *lock) {
        int fd = lock ? sd_bus_get_fd(lock->bus) : -EBADF;
        return MAX(fd, -EBADF);
}

/* REASON may be NULL. */
static int call_unlock(const BusLock *lock, int exit_status, const char *reason, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_call(lock, reason ? "UnlockVolumeWithReason" : "UnlockVolume", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "si", lock->volume, (int32_t) exit_status);
        if (r >= 0 && reason)
                r = sd_bus_message_append(m, "s", reason);
        return r < 0 ? r : sd_bus_call(lock->bus, m, RELEASE_USEC, error, NULL);
}

BusLock *buslock_release(BusLock *lock, int exit_status, const char *reason) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        if (!lock)
                return NULL;
        /* names on the volume are in it, and what is not UTF-8 does not pass over the bus */
        _cleanup_free_ char *printable = reason ? escape_print(reason) : NULL;
        int r = call_unlock(lock, exit_status, printable, &error);
        if (printable && sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_METHOD)) { /* an older daemon */
                sd_bus_error_free(&error);
                r = call_unlock(lock, exit_status, NULL, &error);
        }
        if (r < 0) /* the daemon or the volume is gone, and the lock with it */
                log_debug("Failed to release the lock: %s",
                          isempty(error.message) ? strerror(-r) : error.message);
        return buslock_free(lock);
}
