/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/busunit.h"

#include "base/log.h"
#include "base/systemdbus.h"

#define OWED_UNIT "bootkeep-owed.service"

/* What is missing without it. */
typedef struct UnitUse {
        const char *unit, *missing;
} UnitUse;

static const UnitUse uses[] = {
        {"bootkeep-build@.service", "nothing is built"},
        {"bootkeep-builder@.service", "nothing is built"},
        {"bootkeep-flush.service",
         "what changes in the last seconds before a shutdown is not built before the next boot"},
        {OWED_UNIT, "what was out of date at a shutdown is only said by bootkeepctl"},
};

/* HANDLER NULL: nobody waits for the reply. */
static void call_systemd(sd_bus *bus, const char *method, const char *unit, sd_bus_message_handler_t handler,
                         const UnitUse *use) {
        int r = sd_bus_call_method_async(bus, NULL, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, method, handler,
                                         (void *) use, "s", unit);
        if (r < 0)
                log_debug("Failed to call %s for %s: %s", method, unit, strerror(-r));
}

/* An error is no news: there may be no systemd, or a distribution has named the unit differently. */
static int on_unit_file_state(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const UnitUse *use = userdata;
        const char *state;
        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "s", &state) < 0)
                return 0;
        if (startswith(state, "masked"))
                log_warning("%s is %s: %s. To undo that: systemctl unmask %s%s", use->unit, state,
                            use->missing, streq(state, "masked-runtime") ? "--runtime " : "", use->unit);
        return 0;
}

void bus_unit_check(sd_bus *bus) {
        for (size_t i = 0; i < ELEMENTSOF(uses); i++)
                call_systemd(bus, "GetUnitFileState", uses[i].unit, on_unit_file_state, &uses[i]);
}

void bus_unit_owed_settled(sd_bus *bus) {
        call_systemd(bus, "ResetFailedUnit", OWED_UNIT, NULL, NULL);
}
