/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/past.h"

#include "bootkeep.h"
#include "daemonbus.h"
#include "journal.h"

#define ID " {" BOOTKEEP_MESSAGE_BOOTED_STALE "}\n"

/* The bus of a daemon; the system's own volume, and another one. */
typedef struct World {
        DaemonBus *bus;
        Roster volumes;
        Driver driver;
        Past past;
        Record *own, *other;
        char run[96];
} World;

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_int_equal(daemon_bus_setup((void **) &w->bus), 0);
        w->driver = (Driver){.event = w->bus->event, .volumes = &w->volumes, .news = {.bus = w->bus->bus}};
        (void) snprintf(w->run, sizeof(w->run), "%s/run", w->bus->scratch->path);
        shell("mkdir %s", w->run);
        past_init(&w->past, &w->driver, w->run);
        w->other = w->bus->record;
        w->own = volume("sda1", "/");
        assert_int_equal(roster_add(&w->volumes, w->other), 0);
        assert_int_equal(roster_add(&w->volumes, w->own), 0);
        journal_begin(LOG_INFO);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;
        past_deinit(&w->past);
        assert_null(w->past.driver);
        roster_take(&w->volumes, w->other);
        roster_done(&w->volumes);
        int r = daemon_bus_teardown((void **) &w->bus);
        free(w);
        return r;
}

static void scanned(World *w, Record *record, const char *lines) {
        report_free(record->report);
        record->report = report_of(lines);
        past_settle(&w->past);
}

static void marked(const World *w, bool expected) {
        char path[128];
        (void) snprintf(path, sizeof(path), "%s/reboot-required", w->run);
        assert_int_equal(access(path, F_OK) >= 0, expected);
        (void) snprintf(path, sizeof(path), "%s/reboot-required.pkgs", w->run);
        assert_int_equal(access(path, F_OK) >= 0, expected);
}

static void what_was_replaced_is_told_everywhere(void **state) {
        World *w = *state;
        past_settle(&w->past); /* not scanned yet */
        assert_string_equal(past_text(&w->past), "");
        scanned(w, w->own, "BOOTED current\nRESULT fresh\n");
        daemon_bus_hears(w->bus, "");
        assert_said("");
        marked(w, false);
        scanned(w, w->own, "BOOTED replaced sda2: it is old\nRESULT fresh\n");
        assert_string_equal(past_text(&w->past), "sda2: it is old");
        daemon_bus_hears(w->bus, "PropertiesChanged BootedStale\n");
        assert_said("5 sda1: the machine runs from the past: sda2: it is old" ID);
        marked(w, true);
        scanned(w, w->own, "BOOTED replaced sda2: it is old\nRESULT stale\n");
        daemon_bus_hears(w->bus, "");
        assert_said("");
        scanned(w, w->own, "BOOTED current\nRESULT fresh\n");
        assert_string_equal(past_text(&w->past), "");
        daemon_bus_hears(w->bus, "PropertiesChanged BootedStale\n");
        assert_said("5 sda1: the machine runs what its helpers carry" ID);
        marked(w, false);
}

/* It would be booted again and again otherwise, by those who do that on their own. */
static void what_another_boot_does_not_change_is_not_marked(void **state) {
        World *w = *state;
        scanned(w, w->own, "BOOTED previous sda2: it is old\nRESULT fresh\n");
        assert_string_equal(past_text(&w->past), "sda2: it is old");
        marked(w, false);
        scanned(w, w->own, "BOOTED replaced sda2: it is old\nRESULT fresh\n");
        marked(w, true);
        scanned(w, w->own, "BOOTED previous sda2: it is old\nRESULT fresh\n");
        marked(w, false);
}

static void unknown_is_said_once(void **state) {
        World *w = *state;
        for (int i = 0; i < 2; i++)
                scanned(w, w->own, "BOOTED unknown sda2 and sdb2 are alike\nRESULT fresh\n");
        assert_said(
                "5 sda1: it is unknown whether the machine runs from the past: sda2 and sdb2 are alike\n");
        assert_string_equal(past_text(&w->past), "");
        daemon_bus_hears(w->bus, "");
        marked(w, false);
        scanned(w, w->own, "BOOTED current\nRESULT fresh\n");
        assert_said("");
        scanned(w, w->own, "BOOTED unknown sda2 and sdb2 are alike\nRESULT fresh\n");
        assert_said(
                "5 sda1: it is unknown whether the machine runs from the past: sda2 and sdb2 are alike\n");
}

/* Anybody may plug in a disk. */
static void other_volumes_have_no_say(void **state) {
        World *w = *state;
        scanned(w, w->other, "BOOTED replaced a lie\nRESULT fresh\n");
        assert_string_equal(past_text(&w->past), "");
        w->own->volume.trusted = false;
        scanned(w, w->own, "BOOTED replaced a lie\nRESULT fresh\n");
        assert_string_equal(past_text(&w->past), "");
        assert_said("");
        marked(w, false);
}

static void scan_that_failed_changes_nothing(void **state) {
        static const char *const without[] = {"RESULT error\n", "RESULT refused\n", "MANIFEST /m\n"};
        World *w = *state;
        scanned(w, w->own, "BOOTED replaced sda2: it is old\nRESULT fresh\n");
        for (size_t i = 0; i < ELEMENTSOF(without); i++) {
                scanned(w, w->own, without[i]);
                assert_string_equal(past_text(&w->past), "sda2: it is old");
                marked(w, true);
        }
        scanned(w, w->own, "RESULT none\n"); /* nothing is wanted any more */
        assert_string_equal(past_text(&w->past), "");
        marked(w, false);
}

static void volume_that_is_no_longer_trusted_says_nothing(void **state) {
        World *w = *state;
        scanned(w, w->own, "BOOTED replaced sda2: it is old\nRESULT fresh\n");
        w->own->volume.trusted = false;
        past_settle(&w->past);
        assert_string_equal(past_text(&w->past), "");
        marked(w, false);
}

/* A restarted daemon takes back what the one before it has left. */
static void mark_of_an_earlier_daemon_is_taken_back(void **state) {
        World *w = *state;
        scanned(w, w->own, "BOOTED replaced sda2: it is old\nRESULT fresh\n");
        past_deinit(&w->past);
        past_init(&w->past, &w->driver, w->run);
        report_free(TAKE_PTR(w->own->report));
        past_settle(&w->past);
        marked(w, true);
        scanned(w, w->own, "BOOTED current\nRESULT fresh\n");
        marked(w, false);
}

static void folder_that_is_missing_is_said_once(void **state) {
        World *w = *state;
        shell("rmdir %s", w->run);
        for (int i = 0; i < 2; i++)
                scanned(w, w->own, "BOOTED replaced x\nRESULT fresh\n");
        const char *said = strstr(journal.text, "Failed to bring ");
        assert_non_null(said);
        assert_null(strstr(said + 1, "Failed to bring "));
        assert_string_equal(past_text(&w->past), "x");
}

static void without_the_convention_nothing_is_marked(void **state) {
        World *w = *state;
        w->past.run = NULL;
        scanned(w, w->own, "BOOTED replaced x\nRESULT fresh\n");
        assert_string_equal(past_text(&w->past), "x");
        marked(w, false);
}

#define past_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                past_test(what_was_replaced_is_told_everywhere),
                past_test(what_another_boot_does_not_change_is_not_marked),
                past_test(unknown_is_said_once),
                past_test(other_volumes_have_no_say),
                past_test(scan_that_failed_changes_nothing),
                past_test(volume_that_is_no_longer_trusted_says_nothing),
                past_test(mark_of_an_earlier_daemon_is_taken_back),
                past_test(folder_that_is_missing_is_said_once),
                past_test(without_the_convention_nothing_is_marked),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
