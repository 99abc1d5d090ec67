/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Asks systemd how a unit has ended whose process is gone, and waits for nothing: it is told once systemd is
 * done with the unit, which may be running its ExecStopPost=. */

#include <systemd/sd-bus.h>

#include "base/util.h"
#include "daemon/core/unitend.h"

typedef struct UnitQuery UnitQuery;

/* Called at most once, never from within unitquery_start(); not at all if systemd does not answer. */
typedef void (*unitquery_answered_t)(void *userdata, UnitEnd end);

int unitquery_start(sd_bus *bus, const char *unit, unitquery_answered_t answered, void *userdata,
                    UnitQuery **ret);
/* ANSWERED is not called any more. */
UnitQuery *unitquery_free(UnitQuery *query);
DEFINE_CLEANUP(UnitQuery *, unitquery_free);
