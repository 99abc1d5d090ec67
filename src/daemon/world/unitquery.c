/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/unitquery.h"

#include <inttypes.h>
#include <signal.h>

#include "base/error.h"
#include "base/systemdbus.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

struct UnitQuery {
        sd_bus *bus; /* borrowed: the slots keep it */
        char *path;
        sd_bus_slot *changes, *call;
        unitquery_answered_t answered;
        void *userdata;
};

static int query_call(UnitQuery *query, sd_bus_message *m, sd_bus_message_handler_t answered) {
        int r = sd_bus_message_set_auto_start(m, false);
        query->call = sd_bus_slot_unref(query->call); /* its answer is out of date */
        return r < 0 ? r : sd_bus_call_async(query->bus, &query->call, m, answered, query, 0);
}

static int new_query_call(const UnitQuery *query, const char *member, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(query->bus, ret, SYSTEMD, query->path, PROPERTIES, member);
}

/* What systemd calls it in $EXIT_CODE, see systemd.exec(5). */
static const char *name_of_code(int32_t code) {
        static const char *const names[] = {
                [CLD_EXITED] = "exited", [CLD_KILLED] = "killed", [CLD_DUMPED] = "dumped"};
        return code > 0 && (size_t) code < ELEMENTSOF(names) ? strempty(names[code]) : "";
}

/* What is asked of the service: all borrowed. */
typedef struct Ending {
        const char *result;
        int32_t code, status;
} Ending;

static UnitEnd end_of_unit(const Ending *e) {
        char number[sizeof("-2147483648")];
        const char *code = name_of_code(e->code), *status = number;
        (void) snprintf(number, sizeof(number), "%" PRIi32, e->status);
        if (!streq(code, "exited"))
                status = strempty(sigabbrev_np(e->status));
        return unitend_of(e->result, code, status);
}

static int read_ending(sd_bus_message *m, const char *name, Ending *e) {
        if (streq(name, "Result"))
                return sd_bus_message_read(m, "v", "s", &e->result);
        if (streq(name, "ExecMainCode"))
                return sd_bus_message_read(m, "v", "i", &e->code);
        if (streq(name, "ExecMainStatus"))
                return sd_bus_message_read(m, "v", "i", &e->status);
        return sd_bus_message_skip(m, "v");
}

static int on_ending(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitQuery *query = userdata;
        Ending e = {.result = ""};
        const char *name;
        if (sd_bus_message_get_error(m))
                return 1;
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_ending(m, name, &e);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        unitquery_answered_t answered = query->answered;
        query->answered = NULL;
        if (r >= 0 && answered)
                answered(query->userdata, end_of_unit(&e));
        return 1;
}

static int ask_ending(UnitQuery *query) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_query_call(query, "GetAll", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", SYSTEMD_SERVICE);
        return r < 0 ? r : query_call(query, m, on_ending);
}

static int on_unit_state(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *state;
        if (sd_bus_message_get_error(m) || sd_bus_message_read(m, "v", "s", &state) < 0)
                return 1;
        /* else: it changes */
        if (streq(state, "failed") || streq(state, "inactive"))
                (void) ask_ending(userdata);
        return 1;
}

static int ask_unit_state(UnitQuery *query) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_query_call(query, "Get", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", SYSTEMD_UNIT, "ActiveState");
        return r < 0 ? r : query_call(query, m, on_unit_state);
}

static int on_unit_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitQuery *query = userdata;
        if (query->answered)
                (void) ask_unit_state(query);
        return 0;
}

/* systemd announces changes of units only while somebody has subscribed: logind has, where it is. Other
 * queries may still need it when this one ends, so it stays. */
static int subscribe_to_units(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(bus, &m, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(m, false);
        return r < 0 ? r : sd_bus_send(bus, m, NULL);
}

int unitquery_start(sd_bus *bus, const char *unit, unitquery_answered_t answered, void *userdata,
                    UnitQuery **ret) {
        assert(bus && unit && answered && ret);
        _cleanup_(unitquery_freep) UnitQuery *query = calloc(1, sizeof(*query));
        if (!query)
                return error_origin(-ENOMEM);
        query->bus = bus;
        query->answered = answered;
        query->userdata = userdata;
        int r = sd_bus_path_encode(SYSTEMD_PATH "/unit", unit, &query->path);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, &query->changes, SYSTEMD, query->path, PROPERTIES,
                                              "PropertiesChanged", on_unit_changed, NULL, query);
        if (r >= 0)
                r = subscribe_to_units(bus);
        if (r >= 0)
                r = ask_unit_state(query);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(query);
        return 0;
}

UnitQuery *unitquery_free(UnitQuery *query) {
        if (query) {
                sd_bus_slot_unref(query->changes);
                sd_bus_slot_unref(query->call);
                free(query->path);
        }
        free(query);
        return NULL;
}
