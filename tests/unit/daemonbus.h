/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's bus with one volume, sda2, on a dbus-daemon of the test's own, and a client that hears its
 * signals. */

#include "bootkeep.h"
#include "daemon/shown.h"
#include "daemon/world/bus.h"
#include "privatebus.h"
#include "volumerecord.h"

typedef struct DaemonBus {
        Scratch *scratch;
        PrivateBus daemon;
        sd_event *event;
        Bus *bus;
        bool ready;
        sd_bus *client;
        BusCall *call; /* of the client, not answered yet */
        Record *record;
        char heard[1024]; /* by the client: a line for each signal */
        size_t n;
} DaemonBus;

static void *bus_find(void *userdata, const char *name) {
        const DaemonBus *b = userdata;
        return streq(name, b->record->name) ? b->record : NULL;
}

static void *bus_next(void *userdata, void *volume) {
        const DaemonBus *b = userdata;
        return volume ? NULL : b->record;
}

static void bus_view(void *volume, BusVolume *ret) {
        shown_view(volume, NULL, ret);
}

static int bus_manager(void *userdata, BusManager *ret) {
        return 0;
}

static bool bus_authorise(void *userdata, BusCall *call) {
        return true;
}

static void bus_command(void *userdata, BusVerb verb, const BusArguments *arguments, BusCall *call) {
        DaemonBus *b = userdata;
        assert_null(b->call);
        b->call = sd_bus_message_ref(call);
}

static void bus_ready(void *userdata) {
        DaemonBus *b = userdata;
        b->ready = true;
}

static void bus_lost(void *userdata, int error) {
        fail_msg("the bus is lost: %s", strerror(-error));
}

static const BusHandlers bus_handlers = {
        .volumes = {bus_find, bus_next, bus_view},
        .manager = bus_manager,
        .authorise = bus_authorise,
        .command = bus_command,
        .ready = bus_ready,
        .lost = bus_lost,
};

static inline void daemon_bus_note(DaemonBus *b, const char *before, const char *word) {
        b->n += (size_t) snprintf(b->heard + b->n, sizeof(b->heard) - b->n, "%s%s", before, word);
        assert_true(b->n < sizeof(b->heard));
}

static inline void daemon_bus_note_changes(DaemonBus *b, sd_bus_message *m) {
        const char *property;
        assert_true(sd_bus_message_skip(m, "s") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") >= 0);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                assert_true(sd_bus_message_read(m, "s", &property) >= 0);
                assert_true(sd_bus_message_skip(m, "v") >= 0);
                assert_true(sd_bus_message_exit_container(m) >= 0);
                daemon_bus_note(b, " ", property);
        }
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        DaemonBus *b = userdata;
        _cleanup_free_ char *name = NULL;
        if (!sd_bus_message_is_signal(m, "org.freedesktop.DBus.Properties", "PropertiesChanged") &&
            !sd_bus_message_is_signal(m, BOOTKEEP_VOLUME_INTERFACE, NULL))
                return 0;
        int r = sd_bus_path_decode(sd_bus_message_get_path(m), BOOTKEEP_VOLUME_PATH_PREFIX, &name);
        daemon_bus_note(b, "", sd_bus_message_get_member(m));
        if (r > 0)
                daemon_bus_note(b, " ", name);
        if (streq(sd_bus_message_get_member(m), "PropertiesChanged"))
                daemon_bus_note_changes(b, m);
        else {
                int status = 0;
                const char *summary = NULL;
                char number[16];
                assert_true(sd_bus_message_read(m, "is", &status, &summary) >= 0);
                (void) snprintf(number, sizeof(number), "%i", status);
                daemon_bus_note(b, " ", number);
                daemon_bus_note(b, " ", summary);
        }
        daemon_bus_note(b, "\n", "");
        return 0;
}

static int on_pong(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        bool *done = userdata;
        *done = true;
        return 0;
}

/* The client asks the daemon something: it has heard everything that came before the answer. */
static inline void daemon_bus_ask(DaemonBus *b) {
        bool done = false;
        sd_bus_slot *slot = NULL;
        assert_true(sd_bus_call_method_async(b->client, &slot, BOOTKEEP_BUS_NAME, "/",
                                             "org.freedesktop.DBus.Peer", "Ping", on_pong, &done, "") >= 0);
        assert_true(sd_bus_flush(b->client) >= 0);
        while (!done) {
                assert_true(sd_event_run(b->event, USEC_PER_MSEC) >= 0);
                assert_true(sd_bus_process(b->client, NULL) >= 0);
        }
        sd_bus_slot_unref(slot);
}

/* What the client heard since the last time; NULL: whatever it is. */
static inline void daemon_bus_hears(DaemonBus *b, const char *expected) {
        daemon_bus_ask(b);
        while (sd_bus_process(b->client, NULL) > 0)
                ;
        if (expected)
                assert_string_equal(b->heard, expected);
        b->heard[b->n = 0] = 0;
}

/* What the client got for a call; "": nothing yet. */
typedef struct Reply {
        char text[128];
} Reply;

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Reply *reply = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *text = "done";
        if (e)
                text = e->name;
        else if (sd_bus_message_has_signature(m, "s"))
                assert_true(sd_bus_message_read(m, "s", &text) >= 0);
        (void) snprintf(reply->text, sizeof(reply->text), "%s", text);
        return 0;
}

/* The client calls METHOD for the volume; returns the call, which the daemon has to answer. */
static inline BusCall *daemon_bus_call(DaemonBus *b, const char *method, Reply *reply) {
        sd_bus_message *m = NULL;
        *reply->text = 0;
        assert_true(sd_bus_message_new_method_call(b->client, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                                   BOOTKEEP_MANAGER_INTERFACE, method) >= 0);
        assert_true(sd_bus_message_append(m, "s", "sda2") >= 0);
        if (streq(method, "Rebuild"))
                assert_true(sd_bus_message_append(m, "u", 0) >= 0);
        assert_true(sd_bus_call_async(b->client, NULL, m, on_reply, reply, 0) >= 0);
        assert_true(sd_bus_flush(b->client) >= 0);
        sd_bus_message_unref(m);
        while (!b->call)
                assert_true(sd_event_run(b->event, USEC_PER_SEC) >= 0);
        return TAKE_PTR(b->call);
}

static int daemon_bus_setup(void **state) {
        DaemonBus *b = calloc(1, sizeof(*b));
        assert_non_null(b);
        assert_int_equal(scratch_setup((void **) &b->scratch), 0);
        private_bus_start(&b->daemon, b->scratch);
        assert_true(sd_event_new(&b->event) >= 0);
        b->record = volume("sda2", "/mnt");
        assert_int_equal(bus_new(&bus_handlers, b, &b->bus), 0);
        assert_true(bus_open(b->bus, b->event) >= 0);
        while (!b->ready)
                assert_true(sd_event_run(b->event, USEC_PER_SEC) >= 0);
        b->client = private_bus_connect();
        assert_true(sd_bus_match_signal(b->client, NULL, BOOTKEEP_BUS_NAME, NULL, NULL, NULL, on_signal, b) >=
                    0);
        *state = b;
        return 0;
}

static int daemon_bus_teardown(void **state) {
        DaemonBus *b = *state;
        sd_bus_close_unref(b->client);
        bus_free(b->bus);
        record_free(b->record);
        sd_event_unref(b->event);
        private_bus_stop(&b->daemon);
        int r = scratch_teardown((void **) &b->scratch);
        free(b);
        return r;
}

#define daemon_bus_test(f) cmocka_unit_test_setup_teardown(f, daemon_bus_setup, daemon_bus_teardown)
