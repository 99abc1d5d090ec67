/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/peer.h"

#include <dlfcn.h>

#include "privatebus.h"

/* A server with a set of peers, and the clients that call it. */
typedef struct World {
        Scratch *scratch;
        PrivateBus daemon;
        sd_bus *server, *witness;
        const char *server_name;
        PeerSet *peers;
        Peer last; /* what the last look-up found; without its name */
        int last_result;
        char gone[256]; /* the ids of those that vanished */
        unsigned woken; /* by a name that comes or goes */
        bool look_for_others;
} World;

static unsigned queries; /* of credentials, in the program */

int sd_bus_get_name_creds(sd_bus *bus, const char *name, uint64_t mask, sd_bus_creds **ret) {
        queries++;
        return ((__typeof__(sd_bus_get_name_creds) *) dlsym(RTLD_NEXT, "sd_bus_get_name_creds"))(bus, name,
                                                                                                 mask, ret);
}

static void note_gone(void *userdata, const Peer *peer) {
        World *w = userdata;
        size_t n = strlen(w->gone);
        assert_non_null(startswith(peer->name, ":"));
        assert_null(peer_set_find(w->peers, peer->id));
        for (uint64_t id = 1; w->look_for_others && id < 10; id++)
                assert_null(peer_set_find(w->peers, id));
        (void) snprintf(w->gone + n, sizeof(w->gone) - n, "%llu ", (unsigned long long) peer->id);
}

/* Whoever calls is looked up. */
static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        World *w = userdata;
        const Peer *peer = NULL;
        w->woken += sd_bus_message_is_signal(m, "org.freedesktop.DBus", "NameOwnerChanged") > 0;
        if (!sd_bus_message_is_method_call(m, "org.test", "Call"))
                return 0;
        w->last_result = peer_set_look_up(w->peers, m, &peer);
        if (w->last_result < 0)
                return sd_bus_reply_method_errno(m, w->last_result, NULL);
        assert_string_equal(peer->name, sd_bus_message_get_sender(m));
        w->last = *peer;
        return sd_bus_reply_method_return(m, "");
}

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_int_equal(scratch_setup((void **) &w->scratch), 0);
        private_bus_start(&w->daemon, w->scratch);
        w->server = private_bus_connect();
        w->witness = private_bus_connect();
        assert_true(sd_bus_get_unique_name(w->server, &w->server_name) >= 0);
        assert_true(sd_bus_add_filter(w->server, NULL, on_call, w) >= 0);
        assert_int_equal(peer_set_new(note_gone, w, &w->peers), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;
        peer_set_free(w->peers);
        sd_bus_close_unref(w->server);
        sd_bus_close_unref(w->witness);
        private_bus_stop(&w->daemon);
        int r = scratch_teardown((void **) &w->scratch);
        free(w);
        return r;
}

static int note_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        bool *replied = userdata;
        *replied = true;
        return 0;
}

static void process(sd_bus *bus) {
        int r = sd_bus_process(bus, NULL);
        assert_true(r >= 0);
        if (r == 0)
                assert_true(sd_bus_wait(bus, USEC_PER_SEC) >= 0);
}

/* CLIENT calls, and the server has answered. */
static int call_from(World *w, sd_bus *client) {
        sd_bus_slot *slot = NULL;
        bool replied = false;
        assert_true(sd_bus_call_method_async(client, &slot, w->server_name, "/", "org.test", "Call",
                                             note_reply, &replied, "") >= 0);
        w->last_result = -EINPROGRESS;
        assert_true(sd_bus_flush(client) >= 0);
        while (w->last_result == -EINPROGRESS)
                process(w->server);
        assert_true(sd_bus_flush(w->server) >= 0);
        while (!replied)
                process(client);
        sd_bus_slot_unref(slot);
        return w->last_result;
}

/* Everything that the bus has for the server up to now has been processed. */
static void catch_up(World *w) {
        bool replied = false;
        sd_bus_slot *slot = NULL;
        assert_true(sd_bus_call_method_async(w->server, &slot, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus.Peer", "Ping",
                                             note_reply, &replied, "") >= 0);
        while (!replied)
                process(w->server);
        sd_bus_slot_unref(slot);
}

static bool is_on_bus(sd_bus *witness, const char *name) {
        sd_bus_message *reply = NULL;
        int there = -1;
        assert_true(sd_bus_call_method(witness, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s", name) >= 0);
        assert_true(sd_bus_message_read(reply, "b", &there) >= 0);
        sd_bus_message_unref(reply);
        return there;
}

/* Closes CLIENT, and the server has got whatever the bus has to tell about that. */
static void vanish(World *w, sd_bus *client) {
        const char *unique = NULL;
        char name[64];
        assert_true(sd_bus_get_unique_name(client, &unique) >= 0);
        (void) snprintf(name, sizeof(name), "%s", unique);
        sd_bus_close_unref(client);
        while (is_on_bus(w->witness, name))
                ;
        catch_up(w);
}

static void client_is_known_by_its_name_user_and_process(void **state) {
        World *w = *state;
        sd_bus *client = private_bus_connect();
        assert_int_equal(call_from(w, client), 0);
        assert_int_equal(w->last.id, 1);
        assert_int_equal(w->last.uid, geteuid());
        assert_int_equal(w->last.pid, getpid());
        const Peer *found = peer_set_find(w->peers, 1);
        assert_non_null(found);
        assert_int_equal(found->id, 1);
        assert_null(peer_set_find(w->peers, 2));
        assert_null(peer_set_find(w->peers, 0));
        sd_bus_close_unref(client);
}

static void client_is_asked_about_once(void **state) {
        World *w = *state;
        sd_bus *client = private_bus_connect(), *other = private_bus_connect();
        queries = 0;
        for (int i = 0; i < 3; i++)
                assert_int_equal(call_from(w, client), 0);
        assert_int_equal(queries, 1);
        assert_int_equal(w->last.id, 1);
        assert_int_equal(call_from(w, other), 0);
        assert_int_equal(w->last.id, 2);
        assert_int_equal(queries, 2);
        sd_bus_close_unref(client);
        sd_bus_close_unref(other);
}

/* A build that an earlier daemon began has called that one, not us. */
static void client_is_found_by_its_name_before_it_calls(void **state) {
        World *w = *state;
        sd_bus *client = private_bus_connect();
        const char *name = NULL;
        const Peer *peer = NULL;
        assert_true(sd_bus_get_unique_name(client, &name) >= 0);
        queries = 0;
        assert_int_equal(peer_set_look_up_name(w->peers, w->server, name, &peer), 0);
        assert_int_equal(peer->pid, getpid());
        assert_string_equal(peer->name, name);
        assert_int_equal(call_from(w, client), 0);
        assert_int_equal(w->last.id, peer->id);
        assert_int_equal(queries, 1);
        vanish(w, client);
        assert_string_equal(w->gone, "1 ");
        peer = NULL;
        assert_int_equal(peer_set_look_up_name(w->peers, w->server, ":1.4711", &peer), -ENXIO);
        assert_null(peer);
}

static void a_vanished_client_is_reported_and_forgotten(void **state) {
        World *w = *state;
        sd_bus *one = private_bus_connect(), *two = private_bus_connect(), *stranger = private_bus_connect();
        assert_int_equal(call_from(w, one), 0);
        assert_int_equal(call_from(w, two), 0);
        vanish(w, stranger);
        assert_string_equal(w->gone, "");
        vanish(w, one);
        assert_string_equal(w->gone, "1 ");
        assert_null(peer_set_find(w->peers, 1));
        assert_non_null(peer_set_find(w->peers, 2));
        vanish(w, two);
        assert_string_equal(w->gone, "1 2 ");
        sd_bus *three = private_bus_connect(); /* after there was nobody */
        assert_int_equal(call_from(w, three), 0);
        assert_int_equal(w->last.id, 3); /* no id is used again */
        vanish(w, three);
        assert_string_equal(w->gone, "1 2 3 ");
}

static void all_are_gone_with_the_bus(void **state) {
        World *w = *state;
        sd_bus *clients[3];
        for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                clients[i] = private_bus_connect();
                assert_int_equal(call_from(w, clients[i]), 0);
        }
        w->look_for_others = true;
        peer_set_clear(w->peers);
        assert_string_equal(w->gone, "1 2 3 ");
        peer_set_clear(w->peers);
        assert_string_equal(w->gone, "1 2 3 ");
        w->look_for_others = false;
        assert_int_equal(call_from(w, clients[0]), 0); /* and known anew */
        assert_int_equal(w->last.id, 4);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                sd_bus_close_unref(clients[i]);
}

static void stranger_comes_and_goes(World *w) {
        vanish(w, private_bus_connect());
}

/* An idle machine sleeps, whoever talks on its bus. */
static void strangers_wake_nobody_unless_a_client_is_known(void **state) {
        World *w = *state;
        sd_bus *one = private_bus_connect(), *two = private_bus_connect();
        stranger_comes_and_goes(w);
        assert_int_equal(w->woken, 0);
        assert_int_equal(call_from(w, one), 0);
        assert_int_equal(call_from(w, two), 0);
        w->woken = 0;
        stranger_comes_and_goes(w); /* only its end is of interest */
        assert_int_equal(w->woken, 1);
        vanish(w, one);
        w->woken = 0;
        stranger_comes_and_goes(w);
        assert_true(w->woken > 0);
        vanish(w, two);
        w->woken = 0;
        stranger_comes_and_goes(w);
        assert_int_equal(w->woken, 0);
        sd_bus *three = private_bus_connect();
        assert_int_equal(call_from(w, three), 0);
        peer_set_clear(w->peers);
        catch_up(w);
        w->woken = 0;
        stranger_comes_and_goes(w);
        assert_int_equal(w->woken, 0);
        sd_bus_close_unref(three);
}

static void a_client_that_vanished_before_is_unknown(void **state) {
        World *w = *state;
        sd_bus *client = private_bus_connect();
        w->last_result = -EINPROGRESS;
        assert_true(sd_bus_call_method_async(client, NULL, w->server_name, "/", "org.test", "Call", NULL,
                                             NULL, "") >= 0);
        assert_true(sd_bus_flush(client) >= 0);
        vanish(w, client);
        assert_int_equal(w->last_result, -ENXIO);
        assert_null(peer_set_find(w->peers, 1));
        catch_up(w);
        w->woken = 0;
        stranger_comes_and_goes(w);
        assert_int_equal(w->woken, 0);
        assert_string_equal(w->gone, "");
        client = private_bus_connect();
        assert_int_equal(call_from(w, client), 0);
        assert_int_equal(w->last.id, 1);
        sd_bus_close_unref(client);
}

static void message_of_nobody_has_no_sender(void **state) {
        World *w = *state;
        sd_bus_message *m = NULL;
        const Peer *peer = (const Peer *) w;
        assert_true(sd_bus_message_new_signal(w->server, &m, "/", "org.test", "Signal") >= 0);
        assert_int_equal(peer_set_look_up(w->peers, m, &peer), -ENXIO);
        assert_ptr_equal(peer, w);
        sd_bus_message_unref(m);
        assert_null(peer_set_free(NULL));
}

#define peer_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                peer_test(client_is_known_by_its_name_user_and_process),
                peer_test(client_is_asked_about_once),
                peer_test(client_is_found_by_its_name_before_it_calls),
                peer_test(a_vanished_client_is_reported_and_forgotten),
                peer_test(all_are_gone_with_the_bus),
                peer_test(strangers_wake_nobody_unless_a_client_is_known),
                peer_test(a_client_that_vanished_before_is_unknown),
                peer_test(message_of_nobody_has_no_sender),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
