/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Asks systemd to start a unit, and waits for nothing: it says later if it does not. */

#include <systemd/sd-bus.h>

#include "base/util.h"

typedef struct UnitCall UnitCall;

/* systemd does not start it, or it was not reached (UNREACHED); WHY is for people. Called at most once, never
 * from within unitcall_start(). */
typedef void (*unitcall_refused_t)(void *userdata, const char *why, bool unreached);

/* While the system goes down, systemd refuses what would contradict that: then it is started regardless of
 * all dependencies. */
int unitcall_start(sd_bus *bus, const char *unit, unitcall_refused_t refused, void *userdata, UnitCall **ret);
/* REFUSED is not called any more. */
UnitCall *unitcall_free(UnitCall *call);
DEFINE_CLEANUP(UnitCall *, unitcall_free);
