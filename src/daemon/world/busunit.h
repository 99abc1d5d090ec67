/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

/* Asks systemd, if it is there, whether our other units may be started, and says what is missing if one is
 * masked. Nothing is waited for. */
void bus_unit_check(sd_bus *bus);

/* Nothing that was owed at the last shutdown is owed any more: the unit that failed because of it no longer
 * has. */
void bus_unit_owed_settled(sd_bus *bus);
