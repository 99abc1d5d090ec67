/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* systemd on the bus: its names, and what it means when it does not start a unit. */

#include <systemd/sd-bus.h>

#include "base/util.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD ".Manager"
#define SYSTEMD_UNIT SYSTEMD ".Unit"
#define SYSTEMD_SERVICE SYSTEMD ".Service"

/* Did E come about because the call did not reach systemd, or its answer not us? */
bool systemd_is_unreached(const sd_bus_error *e);

/* Why systemd does not start UNIT, for people, and what they can do about it if UNIT is masked. */
int systemd_explain_refusal(const sd_bus_error *e, const char *unit, char **ret);
