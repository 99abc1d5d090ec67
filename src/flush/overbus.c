/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bootkeepd that does not answer within seconds, or falls silent, is not waited for: it never blocks. */

#include "flush/overbus.h"

#include <systemd/sd-event.h>

#include "base/error.h"
#include "base/log.h"
#include "bootkeep.h"
#include "flush/silence.h"

#define GREETING_USEC (5 * USEC_PER_SEC)
/* bootkeepd sees to it that FlushTimeoutSec= three times is the end. */
#define TOTAL 3U

typedef struct OverBus {
        Witness *witness;
        sd_event *event;
        sd_bus *bus;
        Silence silence;
} OverBus;

static void overbus_done(OverBus *o) {
        silence_done(&o->silence);
        sd_bus_close_unref(o->bus);
        sd_event_unref(o->event);
}

static int end_over_bus(const OverBus *o, int r) {
        return sd_event_exit(o->event, r);
}

static int fail_over_bus(const OverBus *o, sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        log_debug("bootkeepd: %s", strempty(error->message));
        return end_over_bus(o, -MAX(sd_bus_error_get_errno(error), 1));
}

static int on_progress(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        OverBus *o = userdata;
        Snapshot s = {};
        int r = snapshot_read_signal(m, &s);
        if (r < 0)
                return end_over_bus(o, r);
        witness_take(o->witness, &s);
        r = silence_broken(&o->silence);
        return r < 0 ? end_over_bus(o, r) : 0;
}

static int on_last_chance_over(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const OverBus *o = userdata;
        return sd_bus_message_is_method_error(m, NULL) ? fail_over_bus(o, m) : end_over_bus(o, 0);
}

static int new_bootkeepd_call(const OverBus *o, const char *interface, const char *method,
                              sd_bus_message **ret) {
        int r = sd_bus_message_new_method_call(o->bus, ret, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               interface, method);
        return r < 0 ? r : sd_bus_message_set_auto_start(*ret, false);
}

static int call_last_chance(OverBus *o, uint64_t patience) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_bootkeepd_call(o, BOOTKEEP_MANAGER_INTERFACE, "LastChance", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", patience);
        return r < 0 ? r : sd_bus_call_async(o->bus, NULL, m, on_last_chance_over, o, UINT64_MAX);
}

static int on_patience(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        OverBus *o = userdata;
        uint64_t patience, all;
        if (sd_bus_message_is_method_error(m, NULL))
                return fail_over_bus(o, m);
        int r = sd_bus_message_read(m, "v", "t", &patience);
        if (r >= 0)
                r = call_last_chance(o, patience);
        if (r < 0)
                return end_over_bus(o, r);
        if (!__builtin_mul_overflow(patience, TOTAL, &all) && all < USEC_INFINITY - now_usec())
                o->witness->give_up_at = now_usec() + all;
        return 0;
}

static int ask_patience(OverBus *o) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_bootkeepd_call(o, "org.freedesktop.DBus.Properties", "Get", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", BOOTKEEP_MANAGER_INTERFACE, "FlushTimeoutUSec");
        return r < 0 ? r : sd_bus_call_async(o->bus, NULL, m, on_patience, o, GREETING_USEC);
}

static int begin_over_bus(OverBus *o) {
        int r = sd_event_new(&o->event);
        if (r >= 0)
                r = silence_begin(&o->silence, o->event);
        if (r >= 0)
                r = sd_bus_open_system_with_description(&o->bus, "bootkeep-flush");
        if (r >= 0)
                r = sd_bus_attach_event(o->bus, o->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal_async(o->bus, NULL, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                              BOOTKEEP_MANAGER_INTERFACE, "LastChanceProgress", on_progress,
                                              NULL, o);
        return r < 0 ? r : ask_patience(o);
}

int overbus_run(Witness *w) {
        _cleanup_(overbus_done) OverBus o = {.witness = w};
        int r = begin_over_bus(&o);
        return r < 0 ? r : sd_event_loop(o.event);
}
