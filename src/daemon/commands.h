/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Carries the calls of D-Bus clients to the daemon, keeps the connection to the bus alive, and reloads the
 * configuration on request. */

#include "daemon/daemon.h"

typedef struct Commands Commands;

/* Connects to the bus, now or when there is one. READY is called once, when calls can be answered, or when
 * the second attempt to connect has failed. */
int commands_new(Daemon *d, void (*ready)(void), Commands **ret);
Commands *commands_free(Commands *c);
DEFINE_CLEANUP(Commands *, commands_free);

/* Reloads the configuration and checks everything again. Negative errno if it cannot be read: the old one
 * stays in effect. */
int commands_reload(Daemon *d);
