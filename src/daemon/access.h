/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which client is calling, and whether it may change something: joins the calls on the bus, the peers that
 * sent them, and polkit. */

#include "daemon/world/bus.h"
#include "daemon/world/peer.h"

typedef struct Access Access;

typedef struct AccessHandlers {
        void (*peer_gone)(void *userdata, const Peer *peer); /* one that was authorised has vanished */
        void (*authorised)(void *userdata, BusCall *call);   /* it may, as it turned out */
        void *userdata;
} AccessHandlers;

int access_new(const AccessHandlers *handlers, Access **ret);
Access *access_free(Access *a);
DEFINE_CLEANUP(Access *, access_free);

/* The bus is gone, and with it everybody on it. */
void access_clear(Access *a);

/* As BusHandlers.authorise. */
bool access_authorise(Access *a, BusCall *call);

/* The sender of a call that was authorised, or NULL. */
const Peer *access_get_peer(Access *a, BusCall *call);
/* The client with this unique name, or NULL. BUS is ready. */
const Peer *access_look_up_name(Access *a, sd_bus *bus, const char *name);
/* The client with this ID, or NULL: it has vanished. */
const Peer *access_find_peer(const Access *a, uint64_t id);
