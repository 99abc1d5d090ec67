/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl reboot`: takes the system down once nothing is owed. The reboot lock is held until this
 * program is killed with everything else; whatever ends it before logind was asked leaves everything as it
 * was. */

#include <fcntl.h>
#include <signal.h>

#include "base/error.h"
#include "base/log.h"
#include "ctl/waiting.h"
#include "ctl/worst.h"

#define LOGIND "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER "org.freedesktop.login1.Manager"

/* logind may ask a person for a password, but whether it may be asked at all it knows at once. */
#define LOGIND_USEC (10 * USEC_PER_SEC)
#define LOGIND_PERSON_USEC (5 * 60 * USEC_PER_SEC)

/* flags of RebootWithFlags: a later logind refuses those it does not know */
#define VIA_KEXEC (UINT64_C(1) << 1)
#define SOFT (UINT64_C(1) << 2)

typedef struct Way {
        const char *can, *method, *text;
        uint64_t flags;
} Way;

static const Way ways[_CTL_WAY_MAX] = {
        [CTL_REBOOT] = {"CanReboot", "Reboot", "reboot", 0},
        [CTL_POWEROFF] = {"CanPowerOff", "PowerOff", "power off", 0},
        [CTL_HALT] = {"CanHalt", "Halt", "halt", 0},
        [CTL_KEXEC] = {"CanReboot", "Reboot", "reboot by kexec", VIA_KEXEC},
        [CTL_SOFT] = {"CanReboot", "Reboot", "soft-reboot", SOFT},
};

static const Way *reboot_way(const Ctl *ctl) {
        for (size_t i = CTL_REBOOT + 1; i < _CTL_WAY_MAX; i++)
                if (ctl->way[i])
                        return &ways[i];
        return &ways[CTL_REBOOT];
}

/* Says why logind does not do it, and returns the exit status. WHAT: what an error means whose reason is in
 * its text. */
static int reboot_complain(const Way *way, const char *what, int r, const sd_bus_error *error) {
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                log_error("cannot %s: systemd-logind is not running", way->text);
        else if (r == -ETIMEDOUT)
                log_error("cannot %s: systemd-logind does not answer", way->text);
        else if (sd_bus_error_is_set(error))
                log_error("cannot %s: %s: %s", way->text, what,
                          isempty(error->message) ? error->name : error->message);
        else
                (void) log_errno(r, "cannot %s: cannot talk to logind", way->text);
        return sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) ||
                               sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED)
                       ? BOOTKEEP_CTL_DENIED
                       : BOOTKEEP_CTL_NO;
}

/* Where no kernel was loaded logind would reboot through the firmware. */
static bool reboot_has_kernel(void) {
        char loaded = '0';
        _cleanup_close_ int fd = open("/sys/kernel/kexec_loaded", O_RDONLY | O_CLOEXEC);
        return fd >= 0 && read(fd, &loaded, 1) == 1 && loaded == '1';
}

/* Asked before waiting, which may take long. */
static int reboot_check(const Ctl *ctl, const Way *way) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *can;
        if (way->flags == VIA_KEXEC && !reboot_has_kernel()) {
                log_error("cannot %s: no kernel is loaded; load one with kexec -l", way->text);
                return BOOTKEEP_CTL_NO;
        }
        int r = sd_bus_message_new_method_call(ctl->bus, &m, LOGIND, LOGIND_PATH, LOGIND_MANAGER, way->can);
        if (r >= 0)
                r = sd_bus_call(ctl->bus, m, LOGIND_USEC, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &can);
        if (r < 0) /* not a refusal: it may always be asked */
                return reboot_complain(way, "systemd-logind cannot be asked", r, &error);
        if (streq(can, "yes") || streq(can, "challenge"))
                return EXIT_SUCCESS;
        log_error("cannot %s: logind says that %s", way->text,
                  streq(can, "na") ? "this system cannot" : "you are not allowed to");
        return streq(can, "na") ? BOOTKEEP_CTL_NO : BOOTKEEP_CTL_DENIED;
}

/* What is owed, better than the error says it, as long as it is still so. */
static void reboot_say_busy(Ctl *ctl, const sd_bus_error *error) {
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = NULL;
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        const VolumeInfo *worst =
                client_list(ctl, &l) == EXIT_SUCCESS ? worst_of(l, worst_is_busy, &n) : NULL;
        if (worst && worst_describe(worst, &text) >= 0 && n > 1)
                log_error("not now: %s (and %zu more); --wait waits until all is done", text, n - 1);
        else
                log_error("not now: %s; --wait waits until it is done", text ? text : error->message);
}

static int reboot_complain_lock(Ctl *ctl, const VolumeInfo *none, const sd_bus_error *error) {
        if (!sd_bus_error_has_name(error, BOOTKEEP_ERROR_BUSY))
                return client_complain(error, NULL);
        reboot_say_busy(ctl, error);
        return BOOTKEEP_CTL_NO;
}

static int reboot_lock(Ctl *ctl) {
        const WaitingCall call = {ctl, "LockReboot", WAITING_FOR_BUSY, NULL, reboot_complain_lock};
        return waiting_call(&call, NULL, "u", ctl->wait ? BOOTKEEP_LOCK_WAIT : 0U);
}

static int reboot_on_prepare(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        bool *cancelled = userdata;
        int goes_down;
        if (sd_bus_message_read(m, "b", &goes_down) >= 0 && !goes_down)
                *cancelled = true;
        return 0;
}

/* Only the method with flags knows kexec; elogind may lack it. */
static int reboot_call(const Ctl *ctl, const Way *way, bool with_flags, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *method = NULL;
        int r = strprintf(&method, "%s%s", way->method, with_flags ? "WithFlags" : "");
        if (r >= 0)
                r = sd_bus_message_new_method_call(ctl->bus, &m, LOGIND, LOGIND_PATH, LOGIND_MANAGER, method);
        if (r >= 0)
                r = with_flags ? sd_bus_message_append(m, "t", way->flags)
                               : sd_bus_message_append(m, "b", true);
        return r < 0 ? r : sd_bus_call(ctl->bus, m, LOGIND_PERSON_USEC, error, NULL);
}

static int reboot_ask(const Ctl *ctl, const Way *way) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = reboot_call(ctl, way, true, &error);
        if (way->flags == 0 && sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_METHOD)) {
                sd_bus_error_free(&error);
                r = reboot_call(ctl, way, false, &error);
        }
        return r < 0 ? reboot_complain(way, "logind refuses", r, &error) : EXIT_SUCCESS;
}

/* From now on whoever goes away, the terminal or the person at it, the lock stays: the system goes down. */
static int reboot_hold_on(const Ctl *ctl, const bool *cancelled) {
        while (!*cancelled) {
                int r = sd_bus_process(ctl->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(ctl->bus, UINT64_MAX);
                if (r < 0 && r != -EINTR) /* the bus has gone down before us */
                        return EXIT_SUCCESS;
        }
        log_error("the shutdown was cancelled: the reboot lock is given back, owed work goes on");
        return BOOTKEEP_CTL_NO;
}

int verb_reboot(Ctl *ctl, char *const *none) {
        assert(ctl && ctl->bus && none && !*none);
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        const Way *way = reboot_way(ctl);
        bool cancelled = false;
        int r = reboot_check(ctl, way);
        if (r == EXIT_SUCCESS)
                r = reboot_lock(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        r = sd_bus_match_signal(ctl->bus, &slot, LOGIND, LOGIND_PATH, LOGIND_MANAGER, "PrepareForShutdown",
                                reboot_on_prepare, &cancelled);
        if (r < 0)
                return client_complain_errno(r);
        r = reboot_ask(ctl, way);
        if (r != EXIT_SUCCESS)
                return r;
        (void) signal(SIGINT, SIG_IGN);
        (void) signal(SIGHUP, SIG_IGN);
        if (!ctl->quiet)
                (void) puts("Nothing is owed. The system goes down now.");
        (void) fflush(stdout);
        return reboot_hold_on(ctl, &cancelled);
}
