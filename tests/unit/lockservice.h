/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process that owns the daemon's name on a private bus and gives out every lock, for tests of its clients.
 * It notes what it was told in files of the scratch folder. */

#include "bootkeep.h"
#include "privatebus.h"

typedef struct LockService {
        PrivateBus bus;
        pid_t pid;
        const Scratch *scratch; /* in the process */
        bool old;               /* it is of a version without UnlockVolumeWithReason and switches */
        bool switch_is_ignored; /* BeginSwitch is not replied to */
        const char *refusal;    /* the error that LockVolume replies; NULL: none */
        int gate;               /* LockVolume is replied to when a byte can be read there; 0: at once */
} LockService;

static int service_on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const LockService *s = userdata;
        const char *volume = "", *reason = "";
        int32_t status = 0;
        char text[256], byte;
        if (!sd_bus_message_is_method_call(m, BOOTKEEP_MANAGER_INTERFACE, NULL))
                return 0;
        bool locks = sd_bus_message_is_method_call(m, NULL, "LockVolume") > 0;
        if (sd_bus_message_get_auto_start(m) > 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_FAILED, "it would start the daemon");
        if (locks && s->gate > 0 && read(s->gate, &byte, 1) != 1)
                return -EIO;
        bool with_reason = sd_bus_message_is_method_call(m, NULL, "UnlockVolumeWithReason") > 0;
        bool switches = sd_bus_message_is_method_call(m, NULL, "BeginSwitch") > 0;
        if (s->old && (with_reason || switches))
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_UNKNOWN_METHOD, "what is that?");
        if (s->refusal && locks)
                return sd_bus_reply_method_errorf(m, s->refusal, "the words of the daemon");
        (void) sd_bus_message_read(m, "s", &volume);
        (void) sd_bus_message_read_basic(m, locks ? 'u' : 'i', &status);
        if (with_reason)
                (void) sd_bus_message_read(m, "s", &reason);
        (void) snprintf(text, sizeof(text), "%s %s %i %s", sd_bus_message_get_member(m), volume, status,
                        reason);
        scratch_write(s->scratch, "told", text);
        if (switches && s->switch_is_ignored)
                return 1;
        return sd_bus_reply_method_return(m, "");
}

static inline void lock_service_serve(LockService *s, int ready) {
        sd_bus *bus = private_bus_connect();
        if (sd_bus_add_filter(bus, NULL, service_on_call, s) < 0 ||
            sd_bus_request_name(bus, BOOTKEEP_BUS_NAME, 0) < 0 || write(ready, "", 1) != 1)
                return;
        while (sd_bus_process(bus, NULL) > 0 || sd_bus_wait(bus, UINT64_MAX) >= 0)
                ;
}

/* The rest of S is set by the caller. */
static inline void lock_service_start(LockService *s, const Scratch *scratch) {
        int ready[2];
        char byte;
        s->scratch = scratch;
        private_bus_start(&s->bus, scratch);
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        s->pid = fork();
        assert_true(s->pid >= 0);
        if (s->pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                lock_service_serve(s, ready[1]);
                _exit(EXIT_FAILURE);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
}

static inline void lock_service_stop(LockService *s) {
        assert_int_equal(kill(s->pid, SIGKILL), 0);
        assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
        private_bus_stop(&s->bus);
}
