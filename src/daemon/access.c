/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/access.h"

#include "base/error.h"
#include "daemon/world/polkit.h"

struct Access {
        AccessHandlers handlers;
        PeerSet *peers;
        Polkit *polkit;
};

static void on_peer_gone(void *userdata, const Peer *peer) {
        const Access *a = userdata;
        a->handlers.peer_gone(a->handlers.userdata, peer);
}

int access_new(const AccessHandlers *handlers, Access **ret) {
        _cleanup_(access_freep) Access *a = calloc(1, sizeof(*a));
        if (!a)
                return error_origin(-ENOMEM);
        a->handlers = *handlers;
        int r = peer_set_new(on_peer_gone, a, &a->peers);
        if (r >= 0)
                r = polkit_new(&a->polkit);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

void access_clear(Access *a) {
        if (a->peers)
                peer_set_clear(a->peers);
        if (a->polkit)
                polkit_clear(a->polkit);
}

Access *access_free(Access *a) {
        if (a) {
                access_clear(a);
                peer_set_free(a->peers);
                polkit_free(a->polkit);
        }
        free(a);
        return NULL;
}

static void deny(BusCall *call) {
        bus_reply_error(call, SD_BUS_ERROR_ACCESS_DENIED,
                        "%s requires root privileges, or polkit's authorization for org.bootkeep1.manage",
                        sd_bus_message_get_member(call));
}

/* The caller may have vanished in the meantime. */
static void on_polkit_decision(void *userdata, BusCall *call, bool allowed) {
        const Access *a = userdata;
        const Peer *peer;
        if (allowed && peer_set_look_up(a->peers, call, &peer) >= 0)
                a->handlers.authorised(a->handlers.userdata, call);
        else
                deny(call);
}

bool access_authorise(Access *a, BusCall *call) {
        const Peer *peer;
        if (peer_set_look_up(a->peers, call, &peer) < 0) {
                bus_reply_error(call, SD_BUS_ERROR_ACCESS_DENIED, "The bus does not say who you are");
                return false;
        }
        if (peer->uid == 0)
                return true;
        if (polkit_ask(a->polkit, call, (PolkitAnswer){on_polkit_decision, a}) < 0)
                deny(call);
        return false;
}

const Peer *access_get_peer(Access *a, BusCall *call) {
        const Peer *peer;
        return peer_set_look_up(a->peers, call, &peer) < 0 ? NULL : peer;
}

const Peer *access_look_up_name(Access *a, sd_bus *bus, const char *name) {
        const Peer *peer;
        return peer_set_look_up_name(a->peers, bus, name, &peer) < 0 ? NULL : peer;
}

const Peer *access_find_peer(const Access *a, uint64_t id) {
        return peer_set_find(a->peers, id);
}
