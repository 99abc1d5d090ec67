/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The clients that call us: their credentials, queried once, and when they vanish. A unique name is never
 * used again, so what was learnt about one stays true. */

#include <systemd/sd-bus.h>

#include "base/util.h"

typedef struct PeerSet PeerSet;

typedef struct Peer {
        uint64_t id; /* never 0, never used again */
        const char *name;
        uid_t uid;
        pid_t pid; /* 0: not known */
} Peer;

/* Called when a peer that was looked up has vanished; the peer is freed afterwards. */
typedef void (*peer_gone_t)(void *userdata, const Peer *peer);

int peer_set_new(peer_gone_t gone, void *userdata, PeerSet **ret);
PeerSet *peer_set_free(PeerSet *s);
DEFINE_CLEANUP(PeerSet *, peer_set_free);

/* The sender of M. -ENXIO: has vanished already. The first time asks the bus, and waits for its answer. */
int peer_set_look_up(PeerSet *s, sd_bus_message *m, const Peer **ret);

/* The same for a unique name on BUS. -ENXIO: there is none, or no more. */
int peer_set_look_up_name(PeerSet *s, sd_bus *bus, const char *name, const Peer **ret);

/* The peer of this id, or NULL. */
const Peer *peer_set_find(const PeerSet *s, uint64_t id);

/* The bus is gone, and with it everybody on it: GONE is called for each. */
void peer_set_clear(PeerSet *s);
