/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/unitcall.h"

#include "base/error.h"
#include "base/systemdbus.h"

struct UnitCall {
        sd_bus *bus; /* borrowed: the slots keep it */
        sd_bus_slot *call, *ended;
        char *unit;
        bool regardless; /* of dependencies */
        unitcall_refused_t refused;
        void *userdata;
};

UnitCall *unitcall_free(UnitCall *call) {
        if (call) {
                sd_bus_slot_unref(call->call);
                sd_bus_slot_unref(call->ended);
                free(call->unit);
        }
        free(call);
        return NULL;
}

static int on_start_answer(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int send_start(UnitCall *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const char *mode = call->regardless ? "ignore-dependencies" : "replace";
        int r = sd_bus_message_new_method_call(call->bus, &m, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                               "StartUnit");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", call->unit, mode);
        call->call = sd_bus_slot_unref(call->call);
        return r < 0 ? r : sd_bus_call_async(call->bus, &call->call, m, on_start_answer, call, 0);
}

static void unitcall_refuse(UnitCall *call, const char *why, bool unreached) {
        unitcall_refused_t refused = call->refused;
        call->refused = NULL;
        if (refused)
                refused(call->userdata, why, unreached);
}

static bool goes_down(const sd_bus_error *e) {
        return sd_bus_error_has_name(e, SYSTEMD ".TransactionIsDestructive") ||
               sd_bus_error_has_name(e, SYSTEMD ".ShuttingDown");
}

static int on_start_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitCall *call = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        if (!e)
                return 1;
        if (goes_down(e) && !call->regardless) {
                call->regardless = true;
                if (send_start(call) >= 0)
                        return 1;
        }
        _cleanup_free_ char *why = NULL;
        (void) systemd_explain_refusal(e, call->unit, &why);
        unitcall_refuse(call, why ? why : e->name, systemd_is_unreached(e));
        return 1;
}

/* Its job ended without starting it: a dependency that failed, a sandbox that cannot be made, a program that
 * is not there. */
static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitCall *call = userdata;
        const char *path, *unit, *result;
        uint32_t id;
        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0 || !streq(unit, call->unit) ||
            streq(result, "done") || streq(result, "canceled"))
                return 0;
        _cleanup_free_ char *why = NULL;
        (void) strprintf(&why, "systemd could not start %s (%s)", unit, result);
        unitcall_refuse(call, why ? why : result, false);
        return 0;
}

/* systemd sends it to whoever asked for the job. Not by the name of the unit: sd-bus cannot match an argument
 * behind one that is no string. Nobody builds all the time. */
static int watch_job(UnitCall *call) {
        return sd_bus_match_signal_async(call->bus, &call->ended, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                         "JobRemoved", on_job_removed, NULL, call);
}

int unitcall_start(sd_bus *bus, const char *unit, unitcall_refused_t refused, void *userdata,
                   UnitCall **ret) {
        assert(bus && unit && refused && ret);
        _cleanup_(unitcall_freep) UnitCall *call = calloc(1, sizeof(*call));
        if (!call || free_and_strdup(&call->unit, unit) < 0)
                return error_origin(-ENOMEM);
        call->bus = bus;
        call->refused = refused;
        call->userdata = userdata;
        int r = watch_job(call);
        if (r >= 0)
                r = send_start(call);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(call);
        return 0;
}
