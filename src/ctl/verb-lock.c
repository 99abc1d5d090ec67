/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl lock`: runs a command while holding the lock of a volume, so that nobody builds there
 * meanwhile, and tells the daemon how it ended. */

#include "base/escape.h"
#include "base/log.h"
#include "ctl/command.h"
#include "ctl/waiting.h"

/* REASON may be NULL. */
static int lock_call_unlock(const Ctl *ctl, const char *volume, int32_t status, const char *reason,
                            sd_bus_error *error) {
        if (!reason)
                return sd_bus_call_method(ctl->bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                          BOOTKEEP_MANAGER_INTERFACE, "UnlockVolume", error, NULL, "si",
                                          volume, status);
        return sd_bus_call_method(ctl->bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                  BOOTKEEP_MANAGER_INTERFACE, "UnlockVolumeWithReason", error, NULL, "sis",
                                  volume, status, reason);
}

/* How COMMAND failed, for the daemon to repeat. NULL: it did not, or there is no memory for it. */
static char *lock_describe_failure(const char *command, int status) {
        _cleanup_free_ char *printable = escape_print(command);
        const char *name = status > COMMAND_KILLED_BY ? sigabbrev_np(status - COMMAND_KILLED_BY) : NULL;
        char *text = NULL;
        if (printable && status != EXIT_SUCCESS)
                (void) strprintf(&text, "%s ended with status %i%s%s", printable, status,
                                 name ? ", as after SIG" : "", strempty(name));
        return text;
}

/* The command has run: failing to report its result to the daemon does not change the result. */
static void lock_release(const Ctl *ctl, const VolumeInfo *v, const char *command, int status) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *name = escape_print(v->name), *reason = lock_describe_failure(command, status);
        int r = lock_call_unlock(ctl, v->name, status, reason, &error);
        if (reason && sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_METHOD)) { /* an older daemon */
                sd_bus_error_free(&error);
                r = lock_call_unlock(ctl, v->name, status, NULL, &error);
        }
        if (r < 0)
                log_warning("the lock on %s was lost while the command ran: %s", strempty(name),
                            isempty(error.message) ? strerror(-r) : error.message);
}

int verb_lock(Ctl *ctl, char *const *arguments) {
        assert(ctl && ctl->bus && arguments[0] && arguments[1]);
        _cleanup_(volume_info_freep) VolumeInfo *v = NULL;
        _cleanup_free_ char *name = NULL, *lock = NULL;
        bool lost = false;
        /* by its permanent name: anything else that it is called may change while the command runs */
        int r = client_get(ctl, arguments[0], &v);
        if (r != EXIT_SUCCESS)
                return r;
        name = escape_print(v->name);
        if (!name || strprintf(&lock, "the lock on %s", name) < 0)
                return client_complain_errno(-ENOMEM);
        r = waiting_call(&(const WaitingCall){ctl, "LockVolume", WAITING_FOR_HOLDER, v}, NULL, "su", v->name,
                         ctl->wait ? BOOTKEEP_LOCK_WAIT : 0U);
        if (r != EXIT_SUCCESS)
                return r;
        int status = command_run(ctl, arguments + 1, lock, &lost);
        if (!lost)
                lock_release(ctl, v, arguments[1], status);
        return status;
}
