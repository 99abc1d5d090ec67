/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/systemdbus.h"

bool systemd_is_unreached(const sd_bus_error *e) {
        static const char *const names[] = {
                SD_BUS_ERROR_DISCONNECTED,    SD_BUS_ERROR_NAME_HAS_NO_OWNER, SD_BUS_ERROR_NO_REPLY,
                SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_TIMEOUT,
        };
        assert(e);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (sd_bus_error_has_name(e, names[i]))
                        return true;
        return false;
}

int systemd_explain_refusal(const sd_bus_error *e, const char *unit, char **ret) {
        assert(e && unit && ret);
        const char *why = isempty(e->message) ? strempty(e->name) : e->message;
        const char *at = strchr(unit, '@'), *suffix = strrchr(unit, '.');
        if (!sd_bus_error_has_name(e, SYSTEMD ".UnitMasked"))
                return strprintf(ret, "%s", why);
        if (!at || !suffix || suffix < at)
                return strprintf(ret, "%s To undo that: systemctl unmask %s", why, unit);
        return strprintf(ret, "%s To undo that: systemctl unmask %.*s%s", why, (int) (at - unit) + 1, unit,
                         suffix);
}
