/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/builderunit.h"

#include "privatebus.h"

#define UNIT "bootkeep-builder@sda2.service"
#define SYSTEMD "org.freedesktop.systemd1"

/* What the systemd of a private bus does when it is asked for the unit. */
typedef enum Reaction {
        CALLS_BACK,
        REFUSES,
        FAILS_TO_START, /* it says so later */
        IS_SILENT,
        HAS_ENDED, /* long ago; then it is asked how */
} Reaction;

typedef struct World {
        const Scratch *s;
        PrivateBus bus;
        pid_t systemd;
        Reaction reaction;
        unsigned asked; /* for the state */
        unsigned beats;
        Interrupt *interrupt;
} World;

static int start_as_told(World *w, sd_bus_message *m) {
        const char *unit, *mode;
        int socket, r = sd_bus_message_read(m, "ss", &unit, &mode);
        if (r < 0 || !streq(unit, UNIT) || !streq(mode, "ignore-dependencies"))
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "%s %s?", unit, mode);
        if (w->reaction == REFUSES)
                return sd_bus_reply_method_errorf(m, SYSTEMD ".UnitMasked", "Unit is masked.");
        r = sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/job/1");
        if (r >= 0 && w->reaction == FAILS_TO_START)
                r = sd_bus_emit_signal(sd_bus_message_get_bus(m), "/org/freedesktop/systemd1",
                                       SYSTEMD ".Manager", "JobRemoved", "uoss", 1,
                                       "/org/freedesktop/systemd1/job/1", UNIT, "failed");
        if (r >= 0 && w->reaction == CALLS_BACK && builderunit_call_back(w->s->path, &socket) >= 0)
                r = write(socket, "hello", 5) == 5 ? 0 : -EIO;
        return r;
}

static int show_end(World *w, sd_bus_message *m) {
        const char *interface, *name;
        int r = sd_bus_message_read(m, "ss", &interface, &name);
        if (r < 0 || !strstr(sd_bus_message_get_path(m), "bootkeep_2dbuilder_40sda2_2eservice"))
                return -EIO;
        if (streq(name, "ActiveState"))
                return sd_bus_reply_method_return(m, "v", "s", w->asked++ < 2 ? "deactivating" : "failed");
        return sd_bus_reply_method_return(m, "v", "s", w->asked < 3 ? "success" : "oom-kill");
}

static int systemd_on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        World *w = userdata;
        if (sd_bus_message_is_method_call(m, SYSTEMD ".Manager", "RestartUnit"))
                return start_as_told(w, m);
        if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Get"))
                return show_end(w, m);
        if (!sd_bus_message_is_method_call(m, SYSTEMD ".Manager", "ResetFailedUnit"))
                return 0;
        scratch_write(w->s, "reset", "");
        return sd_bus_reply_method_return(m, "");
}

static void be_systemd(World *w, int ready) {
        sd_bus *bus = private_bus_connect();
        if (sd_bus_add_filter(bus, NULL, systemd_on_call, w) < 0 ||
            sd_bus_request_name(bus, SYSTEMD, 0) < 0 || write(ready, "", 1) != 1)
                return;
        while (sd_bus_process(bus, NULL) > 0 || sd_bus_wait(bus, UINT64_MAX) >= 0)
                ;
}

static void world_start(World *w, const Scratch *s, Reaction reaction) {
        int ready[2];
        char byte;
        *w = (World){.s = s, .reaction = reaction};
        private_bus_start(&w->bus, s);
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        w->systemd = fork();
        assert_true(w->systemd >= 0);
        if (w->systemd == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                be_systemd(w, ready[1]);
                _exit(EXIT_FAILURE);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        assert_int_equal(interrupt_new(&w->interrupt), 0);
}

static void world_end(World *w) {
        interrupt_free(w->interrupt);
        assert_int_equal(kill(w->systemd, SIGKILL), 0);
        assert_int_equal(waitpid(w->systemd, NULL, 0), w->systemd);
        private_bus_stop(&w->bus);
}

static void count_beat(void *userdata) {
        World *w = userdata;
        w->beats++;
        if (w->reaction == IS_SILENT)
                assert_int_equal(kill(getpid(), SIGTERM), 0);
}

static int connect_unit(World *w, int *ret_socket, char **reterr) {
        const BuilderUnitRequest request = {
                .unit = UNIT, .folder = w->s->path, .patience = {w->interrupt, count_beat, w}};
        int r = builderunit_connect(&request, ret_socket, reterr);
        assert_int_equal(faccessat(w->s->fd, "builders", F_OK, AT_SYMLINK_NOFOLLOW),
                         -1); /* nobody else comes */
        return r;
}

static void unit_that_is_started_calls_back(void **state) {
        World w;
        char text[16] = "", *why = NULL;
        int socket = -EBADF;
        world_start(&w, *state, CALLS_BACK);
        scratch_write(w.s, "builders", "left by an earlier build");
        assert_int_equal(connect_unit(&w, &socket, &why), 0);
        assert_int_equal(read(socket, text, sizeof(text)), 5);
        assert_string_equal(text, "hello");
        assert_int_equal(fcntl(socket, F_GETFD), FD_CLOEXEC);
        assert_null(why);
        close(socket);
        world_end(&w);
}

static void assert_refused(const Scratch *s, Reaction reaction, const char *text) {
        World w;
        _cleanup_free_ char *why = NULL;
        int socket = 1000;
        world_start(&w, s, reaction);
        assert_int_equal(connect_unit(&w, &socket, &why), -ENOEXEC);
        assert_string_equal(why, text);
        assert_int_equal(socket, 1000);
        world_end(&w);
}

static void unit_that_does_not_start_is_told_why(void **state) {
        assert_refused(*state, REFUSES,
                       "Unit is masked. To undo that: systemctl unmask bootkeep-builder@.service");
        assert_refused(*state, FAILS_TO_START, "systemd could not start " UNIT " (failed)");
}

static void unit_that_takes_long_is_waited_for_until_interrupted(void **state) {
        World w;
        char *why = NULL;
        int socket;
        world_start(&w, *state, IS_SILENT);
        assert_int_equal(connect_unit(&w, &socket, &why), -EINTR);
        assert_int_equal(w.beats, 1);
        assert_null(why);
        world_end(&w);
}

static void without_a_bus_or_a_folder_there_is_no_unit(void **state) {
        const Scratch *s = *state;
        World w = {.s = s, .reaction = REFUSES};
        _cleanup_free_ char *why = NULL, *address = NULL;
        int socket;
        assert_int_equal(strprintf(&address, "unix:path=%s/none", s->path), 0);
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, true), 0);
        assert_int_equal(connect_unit(&w, &socket, &why), -ENOENT);
        assert_string_equal(why, UNIT ": No such file or directory");
        assert_null(builderunit_explain_end(UNIT));
        assert_int_equal(builderunit_call_back("/nonexistent", &socket), -ENOENT);
        assert_int_equal(builderunit_call_back(s->path, &socket), -ENOENT);
        assert_int_equal(unsetenv("DBUS_SYSTEM_BUS_ADDRESS"), 0);
}

static void how_it_ended_is_asked_when_it_has(void **state) {
        World w;
        world_start(&w, *state, HAS_ENDED);
        _cleanup_free_ char *why = builderunit_explain_end(UNIT);
        assert_string_equal(why, "was killed because it ran out of memory (see MemoryMax= of " UNIT ")");
        assert_int_equal(faccessat(w.s->fd, "reset", F_OK, 0), 0);
        world_end(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(unit_that_is_started_calls_back),
                scratch_test(unit_that_does_not_start_is_told_why),
                scratch_test(unit_that_takes_long_is_waited_for_until_interrupted),
                scratch_test(without_a_bus_or_a_folder_there_is_no_unit),
                scratch_test(how_it_ended_is_asked_when_it_has),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
