/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/busunit.h"

#include "base/log.h"
#include "base/systemdbus.h"

#define FLUSH_UNIT "bootkeep-flush.service"
#define OWED_UNIT "bootkeep-owed.service"

/* HANDLER NULL: nobody waits for the reply. */
static void call_systemd(sd_bus *bus, const char *method, const char *unit,
                         sd_bus_message_handler_t handler) {
        int r = sd_bus_call_method_async(bus, NULL, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, method, handler,
                                         NULL, "s", unit);
        if (r < 0)
                log_debug("Failed to call %s for %s: %s", method, unit, strerror(-r));
}

/* An error is no news: there may be no systemd, or a distribution has named the unit differently. */
static int on_unit_file_state(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *state;
        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "s", &state) < 0)
                return 0;
        if (startswith(state, "masked"))
                log_warning(
                        FLUSH_UNIT
                        " is %s: what changes in the last seconds before a shutdown is not built before the "
                        "next boot",
                        state);
        return 0;
}

void bus_unit_check(sd_bus *bus) {
        call_systemd(bus, "GetUnitFileState", FLUSH_UNIT, on_unit_file_state);
}

void bus_unit_owed_settled(sd_bus *bus) {
        call_systemd(bus, "ResetFailedUnit", OWED_UNIT, NULL);
}
