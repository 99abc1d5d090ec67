/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flush/systemstate.h"

#include <systemd/sd-bus.h>

#include "base/error.h"
#include "base/log.h"
#include "base/systemdbus.h"

#define ANSWER_USEC (5 * USEC_PER_SEC)

/* systemd says "stopping" as soon as a job for shutdown.target is queued. */
static int ask_state(sd_bus *bus) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *state = NULL;
        int r = sd_bus_set_method_call_timeout(bus, ANSWER_USEC);
        if (r >= 0)
                r = sd_bus_get_property_string(bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "SystemState",
                                               &error, &state);
        if (r < 0)
                return r;
        log_debug("systemd says: %s", state);
        return streq(state, "stopping");
}

static int ask_over_socket(const char *socket) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *address = NULL;
        int r = strprintf(&address, "unix:path=%s", socket);
        if (r >= 0)
                r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_start(bus);
        return r < 0 ? r : ask_state(bus);
}

static int ask_over_bus(void) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);
        return r < 0 ? r : ask_state(bus);
}

int system_goes_down(const char *socket) {
        assert(socket);
        int r = ask_over_socket(socket);
        return r < 0 ? ask_over_bus() : r;
}
