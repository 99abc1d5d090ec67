/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/buslock.h"

#include "fixture.h"
#include "lockservice.h"

typedef struct World {
        LockService service;
        Interrupt *interrupt;
        bool no_wait;
        int opener; /* of the gate of the service */
        unsigned beats;
} World;

/* The build in line says that it waits; then the lock is free. */
static void count_beat(void *userdata) {
        World *w = userdata;
        w->beats++;
        if (w->opener > 0)
                assert_int_equal(write(w->opener, "", 1), 1);
}

static void world_start(World *w, const Scratch *s) {
        lock_service_start(&w->service, s);
        assert_int_equal(interrupt_new(&w->interrupt), 0);
}

static void world_end(World *w) {
        interrupt_free(w->interrupt);
        lock_service_stop(&w->service);
}

static BusLock *take(World *w, BusLockResult expected, const char *expected_holder) {
        const BusLockRequest request = {
                .volume = "sda2[/@]",
                .no_wait = w->no_wait,
                .patience = {w->interrupt, count_beat, w},
        };
        _cleanup_free_ char *holder = NULL;
        BusLock *lock = NULL;
        BusLockResult result;
        assert_int_equal(buslock_take(&request, &lock, &result, &holder), 0);
        assert_int_equal(result, expected);
        assert_true(!lock == (expected != BUSLOCK_TAKEN));
        assert_true(streq_ptr(holder, expected_holder));
        return lock;
}

static void assert_told(const Scratch *s, const char *expected) {
        char text[256] = "";
        int fd = openat(s->fd, "told", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_true(read(fd, text, sizeof(text) - 1) >= 0);
        close(fd);
        assert_string_equal(text, expected);
}

static void daemon_is_told_how_it_ended_and_why(void **state) {
        const Scratch *s = *state;
        World w = {};
        world_start(&w, s);
        BusLock *lock = take(&w, BUSLOCK_TAKEN, NULL);
        assert_told(s, "LockVolume sda2[/@] 1 "); /* it waits in line */
        assert_null(buslock_release(lock, BOOTKEEP_BUILD_FAILED, "builder pack was killed by SIGKILL"));
        assert_told(s, "UnlockVolumeWithReason sda2[/@] 1 builder pack was killed by SIGKILL");
        assert_null(buslock_release(take(&w, BUSLOCK_TAKEN, NULL), BOOTKEEP_BUILD_SUCCESS, NULL));
        assert_told(s, "UnlockVolume sda2[/@] 0 ");
        world_end(&w);
}

static void build_in_line_says_that_it_waits(void **state) {
        World w = {};
        int gate[2];
        assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
        w.service.gate = gate[0];
        w.opener = gate[1];
        world_start(&w, *state);
        assert_null(buslock_free(take(&w, BUSLOCK_TAKEN, NULL)));
        assert_true(w.beats >= 1);
        world_end(&w);
        close(gate[0]);
        close(gate[1]);
}

static void build_that_does_not_wait_says_so(void **state) {
        World w = {.no_wait = true};
        world_start(&w, *state);
        assert_null(buslock_free(take(&w, BUSLOCK_TAKEN, NULL)));
        assert_told(*state, "LockVolume sda2[/@] 0 ");
        assert_int_equal(w.beats, 0);
        world_end(&w);
}

static void build_in_line_can_be_interrupted(void **state) {
        World w = {};
        BusLockRequest request = {.volume = "sda2", .patience = {.beat = count_beat, .userdata = &w}};
        BusLock *lock = NULL;
        BusLockResult result;
        char *holder = NULL;
        int gate[2];
        assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
        w.service.gate = gate[0]; /* never opened */
        world_start(&w, *state);
        request.patience.interrupt = w.interrupt;
        assert_int_equal(kill(getpid(), SIGTERM), 0);
        assert_int_equal(buslock_take(&request, &lock, &result, &holder), -EINTR);
        assert_null(lock);
        world_end(&w);
        close(gate[0]);
        close(gate[1]);
}

static void names_that_the_bus_does_not_carry_are_escaped(void **state) {
        const Scratch *s = *state;
        World w = {};
        world_start(&w, s);
        assert_null(buslock_release(take(&w, BUSLOCK_TAKEN, NULL), 1, "/boot/\xff\n: no room"));
        assert_told(s, "UnlockVolumeWithReason sda2[/@] 1 /boot/\\xff\\x0a: no room");
        world_end(&w);
}

static void daemon_is_told_of_a_switch(void **state) {
        World w = {};
        world_start(&w, *state);
        BusLock *lock = take(&w, BUSLOCK_TAKEN, NULL);
        buslock_tell_between(lock, true);
        assert_told(*state, "BeginSwitch sda2[/@] 0 ");
        buslock_tell_between(lock, false);
        assert_null(buslock_release(lock, 75, NULL)); /* which comes after it */
        assert_told(*state, "UnlockVolume sda2[/@] 75 ");
        world_end(&w);
}

static void daemon_that_knows_no_switches_or_does_not_answer_is_told_of_one_only(void **state) {
        for (int i = 0; i < 2; i++) {
                World w = {.service.old = i == 0, .service.switch_is_ignored = i == 1};
                world_start(&w, *state);
                BusLock *lock = take(&w, BUSLOCK_TAKEN, NULL);
                buslock_tell_between(lock, true);
                scratch_write(*state, "told", "nothing since");
                buslock_tell_between(lock, false);
                buslock_tell_between(lock, true);
                assert_told(*state, "nothing since");
                assert_null(buslock_release(lock, 0, NULL));
                assert_told(*state, "UnlockVolume sda2[/@] 0 ");
                world_end(&w);
        }
}

static void an_older_daemon_is_told_the_status(void **state) {
        const Scratch *s = *state;
        World w = {.service.old = true};
        world_start(&w, s);
        assert_null(buslock_release(take(&w, BUSLOCK_TAKEN, NULL), 75, "another time"));
        assert_told(s, "UnlockVolume sda2[/@] 75 ");
        world_end(&w);
}

static void each_refusal_has_its_result(void **state) {
        static const struct {
                const char *refusal;
                BusLockResult result;
                const char *holder;
                bool warns; /* that there is no lock, although there is a daemon */
        } all[] = {
                {BOOTKEEP_ERROR_BUSY, BUSLOCK_BUSY, "the words of the daemon"},
                {BOOTKEEP_ERROR_REBOOT_IN_PROGRESS, BUSLOCK_REBOOT, NULL},
                {BOOTKEEP_ERROR_NO_SUCH_VOLUME, BUSLOCK_NOBODY, NULL},
                {SD_BUS_ERROR_UNKNOWN_METHOD, BUSLOCK_NOBODY, NULL},
                {SD_BUS_ERROR_ACCESS_DENIED, BUSLOCK_NOBODY, NULL, true},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                World w = {.service.refusal = all[i].refusal};
                world_start(&w, *state);
                Capture capture = capture_begin();
                assert_null(take(&w, all[i].result, all[i].holder));
                _cleanup_free_ char *said = capture_end(&capture);
                assert_true(!!strstr(said, "building without it: the words of the daemon") == all[i].warns);
                world_end(&w);
        }
}

static void without_a_bus_there_is_nobody_to_ask(void **state) {
        World w = {};
        assert_int_equal(interrupt_new(&w.interrupt), 0);
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", true), 0);
        assert_null(take(&w, BUSLOCK_NOBODY, NULL));
        assert_null(buslock_release(NULL, 0, NULL));
        assert_null(buslock_free(NULL));
        assert_int_equal(unsetenv("DBUS_SYSTEM_BUS_ADDRESS"), 0);
        interrupt_free(w.interrupt);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(daemon_is_told_how_it_ended_and_why),
                scratch_test(build_in_line_says_that_it_waits),
                scratch_test(build_that_does_not_wait_says_so),
                scratch_test(build_in_line_can_be_interrupted),
                scratch_test(names_that_the_bus_does_not_carry_are_escaped),
                scratch_test(an_older_daemon_is_told_the_status),
                scratch_test(daemon_is_told_of_a_switch),
                scratch_test(daemon_that_knows_no_switches_or_does_not_answer_is_told_of_one_only),
                scratch_test(each_refusal_has_its_result),
                cmocka_unit_test(without_a_bus_there_is_nobody_to_ask),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
