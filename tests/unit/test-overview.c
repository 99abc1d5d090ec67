/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/overview.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "daemonbus.h"

/* The bus and systemd, which listens on a socket, are told about the volumes. */
typedef struct World {
        DaemonBus *bus;
        Roster volumes;
        Driver driver;
        Overview overview;
        Record *first, *second;
        int systemd;
} World;

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        assert_non_null(w);
        assert_int_equal(daemon_bus_setup((void **) &w->bus), 0);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", w->bus->scratch->path);
        w->systemd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(w->systemd >= 0);
        assert_int_equal(bind(w->systemd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, true), 0);
        w->driver = (Driver){.event = w->bus->event, .volumes = &w->volumes, .news = {.bus = w->bus->bus}};
        overview_init(&w->overview, &w->driver);
        w->first = w->bus->record;
        w->second = volume("sdb2", "/srv");
        assert_int_equal(roster_add(&w->volumes, w->first), 0);
        assert_int_equal(roster_add(&w->volumes, w->second), 0);
        w->first->volume.state = w->second->volume.state = VOLUME_FRESH;
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;
        overview_deinit(&w->overview);
        assert_null(w->overview.driver);
        roster_take(&w->volumes, w->first);
        roster_done(&w->volumes);
        close(w->systemd);
        assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
        int r = daemon_bus_teardown((void **) &w->bus);
        free(w);
        return r;
}

/* The next message that systemd got; "": none. */
static void systemd_hears(const World *w, const char *expected) {
        char text[256];
        ssize_t n = recv(w->systemd, text, sizeof(text) - 1, 0);
        text[n < 0 ? 0 : n] = 0;
        assert_string_equal(text, expected);
}

static void await_told(World *w) {
        while (w->overview.timer_runs)
                assert_true(sd_event_run(w->bus->event, USEC_PER_SEC) >= 0);
}

static void tell(World *w) {
        overview_tell_soon(&w->overview, NULL);
        await_told(w);
}

static void status_is_told_when_it_changes(void **state) {
        World *w = *state;
        tell(w);
        systemd_hears(w, "STATUS=2 volumes, 0 busy");
        tell(w);
        systemd_hears(w, "");
        w->first->volume.state = VOLUME_STALE;
        tell(w);
        systemd_hears(w, "STATUS=2 volumes, 1 busy");
        roster_take(&w->volumes, w->second);
        tell(w);
        systemd_hears(w, "STATUS=1 volumes, 1 busy");
        assert_int_equal(roster_add(&w->volumes, w->second), 0);
}

static void busy_volumes_are_told_when_they_are_others(void **state) {
        World *w = *state;
        tell(w);
        daemon_bus_hears(w->bus, "PropertiesChanged Ready\n");
        w->first->volume.state = VOLUME_STALE;
        tell(w);
        daemon_bus_hears(w->bus, "PropertiesChanged BusyVolumes\nPropertiesChanged Ready\n");
        tell(w);
        daemon_bus_hears(w->bus, "");
        w->first->volume.state = VOLUME_FRESH; /* as many, but another one */
        w->second->volume.state = VOLUME_STALE;
        tell(w);
        daemon_bus_hears(w->bus, "PropertiesChanged BusyVolumes\n");
        w->first->volume.state = VOLUME_STALE;
        tell(w);
        daemon_bus_hears(w->bus, "PropertiesChanged BusyVolumes\n");
        w->second->volume.state = VOLUME_FRESH;
        tell(w);
        daemon_bus_hears(w->bus, "PropertiesChanged BusyVolumes\n");
}

/* Also while nothing is owed, but a scan that was requested has not shown that. */
static void readiness_is_told_when_it_changes(void **state) {
        World *w = *state;
        tell(w);
        daemon_bus_hears(w->bus, "PropertiesChanged Ready\n");
        w->first->look_target = w->first->scans_ended + 1;
        tell(w);
        daemon_bus_hears(w->bus, "PropertiesChanged Ready\n");
        tell(w);
        daemon_bus_hears(w->bus, "");
        w->first->look_target = 0;
        w->first->volume.state = VOLUME_HUNG;
        tell(w);
        daemon_bus_hears(w->bus, "PropertiesChanged Ready\n");
        w->first->volume.state = VOLUME_STALE;
        tell(w);
        daemon_bus_hears(w->bus, "PropertiesChanged BusyVolumes\nPropertiesChanged Ready\n");
}

static void without_a_bus_systemd_is_told(void **state) {
        World *w = *state;
        w->driver.news.bus = NULL;
        w->first->volume.state = VOLUME_STALE;
        tell(w);
        systemd_hears(w, "STATUS=2 volumes, 1 busy");
}

/* A lock may be taken and given back a thousand times a second. */
static void frequent_lock_changes_are_reported_once_and_soon(void **state) {
        World *w = *state;
        overview_tell_soon(&w->overview, w->first);
        await_told(w); /* everything of it is new to the bus */
        assert_false(w->first->untold);
        daemon_bus_hears(w->bus, NULL);
        uint64_t began = now_usec(), first_due = 0, due = 0;
        LockRequest waits = {};
        overview_tell_soon(&w->overview, w->first);
        assert_true(sd_event_source_get_time(w->overview.timer, &first_due) >= 0);
        for (LockClient client = 1; client < 100; client++) {
                assert_int_equal(lock_ask(&w->first->lock, NULL, client, NULL), LOCK_GRANTED);
                overview_tell_soon(&w->overview, w->first);
                assert_int_equal(lock_give_back(&w->first->lock, client), LOCK_FREED);
                overview_tell_soon(&w->overview, w->first);
        }
        assert_int_equal(lock_ask(&w->first->lock, NULL, 100, NULL), LOCK_GRANTED);
        assert_int_equal(lock_wait(&w->first->lock, 101, &waits), LOCK_WAITS);
        assert_true(w->first->untold);
        assert_true(sd_event_source_get_time(w->overview.timer, &due) >= 0);
        assert_int_equal(due, first_due); /* nothing is put off */
        assert_true(due >= began + 20 * USEC_PER_MSEC);
        assert_true(due <= now_usec() + 20 * USEC_PER_MSEC);
        await_told(w);
        daemon_bus_hears(w->bus, "PropertiesChanged sda2 LockWaiters\n");
        assert_false(w->first->untold);
        lock_leave(&w->first->lock, &waits);
}

static void without_a_timer_changes_are_reported_at_once(void **state) {
        World *w = *state;
        w->driver.event = NULL;
        w->first->volume.state = VOLUME_STALE;
        overview_tell_soon(&w->overview, w->first);
        assert_false(w->overview.timer_runs);
        systemd_hears(w, "STATUS=2 volumes, 1 busy");
        assert_false(w->first->untold);
}

static void a_volume_is_reported_only_on_request(void **state) {
        World *w = *state;
        overview_tell_soon(&w->overview, w->first);
        await_told(w);
        daemon_bus_hears(w->bus, NULL);
        w->first->volume.attempts = 5;
        tell(w);
        daemon_bus_hears(w->bus, "");
        overview_tell_soon(&w->overview, w->first);
        await_told(w);
        daemon_bus_hears(w->bus, "PropertiesChanged sda2 Attempts\n");
}

#define overview_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                overview_test(status_is_told_when_it_changes),
                overview_test(busy_volumes_are_told_when_they_are_others),
                overview_test(readiness_is_told_when_it_changes),
                overview_test(without_a_bus_systemd_is_told),
                overview_test(frequent_lock_changes_are_reported_once_and_soon),
                overview_test(without_a_timer_changes_are_reported_at_once),
                overview_test(a_volume_is_reported_only_on_request),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
