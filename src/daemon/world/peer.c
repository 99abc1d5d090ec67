/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/peer.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/error.h"

typedef struct KnownPeer {
        Peer peer;
        PeerSet *set;
        char *name;
        UT_hash_handle by_name, by_id;
} KnownPeer;

/* One match for all of them: sd_bus_track takes one per name, a bus grants a connection only a few hundred,
 * and sd-bus closes the connection when it is refused one. While no peer is known there is none, so that
 * nothing wakes us. */
struct PeerSet {
        KnownPeer *by_name, *by_id;
        sd_bus_slot *vanished;
        uint64_t last_id;
        peer_gone_t gone;
        void *userdata;
};

int peer_set_new(peer_gone_t gone, void *userdata, PeerSet **ret) {
        PeerSet *s = calloc(1, sizeof(*s));
        if (!s)
                return error_origin(-ENOMEM);
        assert(gone);
        s->gone = gone;
        s->userdata = userdata;
        *ret = s;
        return 0;
}

static void known_peer_free(KnownPeer *k) {
        free(k->name);
        free(k);
}
DEFINE_CLEANUP(KnownPeer *, known_peer_free);

static void unwatch_names(PeerSet *s) {
        if (!s->by_name)
                s->vanished = sd_bus_slot_unref(s->vanished);
}

static void known_peer_vanish(KnownPeer *k) {
        PeerSet *s = k->set;
        assert(s);
        HASH_DELETE(by_name, s->by_name, k);
        HASH_DELETE(by_id, s->by_id, k);
        unwatch_names(s);
        s->gone(s->userdata, &k->peer);
        known_peer_free(k);
}

/* All at once: a callback about one peer finds no other. */
void peer_set_clear(PeerSet *s) {
        KnownPeer *k = s->by_name, *next;
        HASH_CLEAR(by_name, s->by_name);
        HASH_CLEAR(by_id, s->by_id);
        unwatch_names(s);
        for (; k; k = next) {
                next = k->by_name.next;
                s->gone(s->userdata, &k->peer);
                known_peer_free(k);
        }
}

PeerSet *peer_set_free(PeerSet *s) {
        if (s)
                peer_set_clear(s);
        free(s);
        return NULL;
}

static int on_peer_vanished(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        PeerSet *s = userdata;
        const char *name;
        KnownPeer *k = NULL;
        if (sd_bus_message_read_basic(m, 's', &name) >= 0)
                HASH_FIND(by_name, s->by_name, name, strlen(name), k);
        if (k)
                known_peer_vanish(k);
        return 0;
}

static int watch_names(PeerSet *s, sd_bus *bus) {
        if (s->vanished)
                return 0;
        return sd_bus_add_match_async(bus, &s->vanished,
                                      "type='signal',sender='org.freedesktop.DBus',"
                                      "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                                      "member='NameOwnerChanged',arg2=''",
                                      on_peer_vanished, NULL, s);
}

static int peer_ask_credentials(sd_bus *bus, Peer *peer) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        int r = sd_bus_get_name_creds(bus, peer->name, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, &peer->uid);
        if (r >= 0 && sd_bus_creds_get_pid(creds, &peer->pid) < 0)
                peer->pid = 0;
        return r;
}

static int known_peer_learn(PeerSet *s, sd_bus *bus, const char *name, KnownPeer **ret) {
        _cleanup_(known_peer_freep) KnownPeer *k = calloc(1, sizeof(*k));
        if (!k || free_and_strdup(&k->name, name) < 0)
                return error_origin(-ENOMEM);
        k->set = s;
        k->peer.name = k->name;
        k->peer.id = s->last_id + 1;
        /* watched first: a client that vanishes after this is reported, one that vanished before has no
         * credentials */
        int r = watch_names(s, bus);
        if (r >= 0)
                r = peer_ask_credentials(bus, &k->peer);
        if (r < 0)
                return r;
        HASH_ADD_KEYPTR(by_name, s->by_name, k->name, strlen(k->name), k);
        if (!k->by_name.tbl)
                return error_origin(-ENOMEM);
        HASH_ADD(by_id, s->by_id, peer.id, sizeof(k->peer.id), k);
        if (!k->by_id.tbl) {
                HASH_DELETE(by_name, s->by_name, k);
                return error_origin(-ENOMEM);
        }
        s->last_id++;
        *ret = TAKE_PTR(k);
        return 0;
}

int peer_set_look_up_name(PeerSet *s, sd_bus *bus, const char *name, const Peer **ret) {
        KnownPeer *k = NULL;
        HASH_FIND(by_name, s->by_name, name, strlen(name), k);
        if (!k) {
                int r = known_peer_learn(s, bus, name, &k);
                if (r < 0) {
                        unwatch_names(s);
                        return r;
                }
        }
        *ret = &k->peer;
        return 0;
}

int peer_set_look_up(PeerSet *s, sd_bus_message *m, const Peer **ret) {
        const char *name = sd_bus_message_get_sender(m);
        return name ? peer_set_look_up_name(s, sd_bus_message_get_bus(m), name, ret) : error_origin(-ENXIO);
}

const Peer *peer_set_find(const PeerSet *s, uint64_t id) {
        KnownPeer *k;
        HASH_FIND(by_id, s->by_id, &id, sizeof(id), k);
        return k ? &k->peer : NULL;
}
