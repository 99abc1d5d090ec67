/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of bootkeepd fails in turn while clients call it over a real bus: it lives on, and every
 * call is answered. */

#include "allocations.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/log.h"
#include "bootkeep.h"
#include "daemon/census.h"
#include "daemon/world/inhibit.h"
#include "daemonlife.h"
#include "privatebus.h"

#define CLIENTS 2
#define NOBODY 65534
/* Without an event for this long, what is waited for does not come. */
#define SILENCE_USEC (10 * USEC_PER_SEC)
/* The same if it need not come, since an allocation failed. */
#define SHORT_SILENCE_USEC (50 * USEC_PER_MSEC)
#define PATIENCE_USEC (2 * USEC_PER_SEC)

/* A call of a client; the arguments that its types do not name are not used. */
typedef struct Call {
        const char *member, *types;
        uint32_t number; /* of the types i, u, t */
        unsigned client;
        bool later;        /* the reply comes with that of the next one, or the client vanishes before it */
        const char *error; /* the name of the error that is the reply; NULL: success */
        const char *interface, *path;
} Call;

/* A daemon with one volume, and its clients. */
typedef struct Life {
        Scratch *s;
        const Call *calls;
        size_t n_calls;
        size_t n_calm; /* nothing fails before this one; that is another test */
        DaemonLife daemon;
        sd_bus *clients[CLIENTS];
        unsigned awaited; /* replies */
} Life;

static bool is_ready;
static bool calm; /* nothing fails at present */

static void note_ready(void) {
        is_ready = true;
}

/* Runs the loop until *COUNT is 0; false: it stays silent. */
static bool run_until_none(Life *l, const unsigned *count, uint64_t silence) {
        while (*count > 0) {
                int r = sd_event_run(l->daemon.event, silence);
                assert_true(r >= 0);
                if (r == 0)
                        return false;
        }
        return true;
}

/* It need not become ready if an allocation failed; its scans alone could then keep the loop busy for ever.
 */
static bool await_ready(Life *l) {
        uint64_t end = now_usec() + PATIENCE_USEC;
        is_ready = false;
        while (!is_ready && !(allocations_have_failed() && now_usec() > end))
                if (sd_event_run(l->daemon.event,
                                 allocations_have_failed() ? SHORT_SILENCE_USEC : SILENCE_USEC) <= 0)
                        break; /* silent, or it has ended */
        assert_true(is_ready || allocations_have_failed());
        return is_ready;
}

static void life_end(Life *l) {
        for (size_t i = 0; i < CLIENTS; i++)
                l->clients[i] = sd_bus_close_unref(l->clients[i]);
        daemon_life_end(&l->daemon);
}

static sd_bus *client_of(Life *l, unsigned client) {
        assert_true(client < CLIENTS);
        if (!l->clients[client]) {
                assert_true(sd_bus_open_system(&l->clients[client]) >= 0);
                assert_true(sd_bus_attach_event(l->clients[client], l->daemon.event, 0) >= 0);
        }
        return l->clients[client];
}

typedef struct Awaited {
        Life *life;
        const Call *call;
} Awaited;

static int on_call_reply(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Awaited *a = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        if (!allocations_have_failed() && !streq_ptr(error ? error->name : NULL, a->call->error))
                fail_msg("%s: %s: %s", a->call->member, error ? error->name : "success",
                         error ? error->message : "");
        a->life->awaited--;
        return 0;
}

static void append_arguments(sd_bus_message *m, const Call *c) {
        const char *texts[] = {"sda2", "no room"};
        size_t n = 0;
        if (c->interface) /* of the object that is asked for its properties */
                texts[0] = c->path ? BOOTKEEP_VOLUME_INTERFACE : BOOTKEEP_MANAGER_INTERFACE;
        for (const char *type = c->types; *type; type++)
                if (*type == 's')
                        assert_true(n < ELEMENTSOF(texts) && sd_bus_message_append(m, "s", texts[n++]) >= 0);
                else if (*type == 't')
                        assert_true(sd_bus_message_append(m, "t", (uint64_t) c->number) >= 0);
                else
                        assert_true(sd_bus_message_append_basic(m, *type, &c->number) >= 0);
}

/* AWAITED must live until the reply. */
static void make_call(Life *l, const Call *c, Awaited *awaited) {
        allocations_pause(true);
        sd_bus *client = client_of(l, c->client);
        sd_bus_message *m = NULL;
        *awaited = (Awaited){l, c};
        assert_true(sd_bus_message_new_method_call(
                            client, &m, BOOTKEEP_BUS_NAME, c->path ? c->path : BOOTKEEP_OBJECT_PATH,
                            c->interface ? c->interface : BOOTKEEP_MANAGER_INTERFACE, c->member) >= 0);
        append_arguments(m, c);
        assert_true(sd_bus_call_async(client, NULL, m, on_call_reply, awaited, UINT64_MAX) >= 0);
        sd_bus_message_unref(m);
        l->awaited++;
        allocations_pause(calm);
}

/* The bus hears of the end of the life before this one when it gets round to it; until then this one would be
 * a second bootkeepd. */
static void await_free_name(void) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int owned = true;
        allocations_pause(true);
        assert_true(sd_bus_open_system(&bus) >= 0);
        while (owned) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                assert_true(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                               "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s",
                                               BOOTKEEP_BUS_NAME) >= 0);
                assert_true(sd_bus_message_read(reply, "b", &owned) >= 0);
        }
        allocations_pause(false);
}

static int live(void *userdata) {
        Life *l = userdata;
        await_free_name();
        Awaited awaited[16];
        assert_true(l->n_calls <= ELEMENTSOF(awaited));
        l->awaited = 0;
        allocations_pause(l->n_calm > 0);
        int r = daemon_life_begin(&l->daemon, l->s, note_ready);
        if (r >= 0) {
                (void) daemon_life_add_volume(&l->daemon);
                r = await_ready(l) ? 0 : -ENOMEM;
        }
        for (size_t i = 0; r >= 0 && i < l->n_calls; i++) {
                calm = i < l->n_calm;
                make_call(l, &l->calls[i], &awaited[i]);
                if (!l->calls[i].later && !run_until_none(l, &l->awaited, SILENCE_USEC))
                        fail_msg("no reply to %s", l->calls[i].member);
        }
        calm = false;
        life_end(l);
        return r;
}

static Life life_of(Scratch *s, const Call *calls, size_t n) {
        daemon_life_write_programs(s, "echo MANIFEST /m; echo CACHE c - fresh; echo RESULT fresh",
                                   "echo RESULT success");
        return (Life){.s = s, .calls = calls, .n_calls = n};
}

/* Or each run would have more of it to tell. */
static void forget_history(void *userdata) {
        const Life *l = userdata;
        (void) unlinkat(l->s->fd, "state/history/" LIFE_UUID, 0);
}

static void each_call_of_a_life_is_answered(Life life) {
        PrivateBus bus;
        int level = log_set_max_level(LOG_EMERG);
        private_bus_start(&bus, life.s);
        allocations_fail_or_cope_prepared(&(AllocationsCase){
                .prepare = forget_history,
                .call = live,
                .userdata = &life,
                .hands_over = life.calls->interface, /* names of objects */
        });
        private_bus_stop(&bus);
        log_set_max_level(level);
}

static void each_call_is_answered_whatever_fails(void **state, const Call *calls, size_t n) {
        each_call_of_a_life_is_answered(life_of(*state, calls, n));
}

#define NOT_LOCKED BOOTKEEP_ERROR_NOT_LOCKED
#define ALREADY BOOTKEEP_ERROR_ALREADY_LOCKED

static void locks_are_answered(void **state) {
        static const Call calls[] = {
                {"UnlockVolume", "si", .error = NOT_LOCKED},
                {"LockVolume", "su"},
                {"BeginSwitch", "s"},
                {"EndSwitch", "s"},
                {"LockVolume", "su", .error = ALREADY},
                {"LockVolume", "su", .client = 1, .error = BOOTKEEP_ERROR_BUSY},
                {"LockVolume", "su", BOOTKEEP_LOCK_WAIT, .client = 1, .later = true},
                {"UnlockVolumeWithReason", "sis", 1},
                {"UnlockVolume", "si", .client = 1},
                {"LockVolume", "su", 2, .error = SD_BUS_ERROR_INVALID_ARGS},
                {"LockReboot", "u", BOOTKEEP_LOCK_WAIT},
                {"LockVolume", "su", .error = BOOTKEEP_ERROR_REBOOT_IN_PROGRESS},
                {"Flush", "t", .client = 1},
        };
        each_call_is_answered_whatever_fails(state, calls, ELEMENTSOF(calls));
}

static void requests_are_answered(void **state) {
        static const Call calls[] = {
                {"Trust", "s"},
                {"Scan", "s"},
                {"Rebuild", "su", BOOTKEEP_REBUILD_FORCE},
                {"PrepareUnmount", "s"},
                {"Flush", "t", 10 * 1000 * 1000},
                {"Reload", ""},
                {"Distrust", "s"},
                {"Rebuild", "su", .error = BOOTKEEP_ERROR_NOT_READY},
        };
        each_call_is_answered_whatever_fails(state, calls, ELEMENTSOF(calls));
}

/* What was built, and what it was made from. */
static void questions_are_answered(void **state) {
        static const Call calls[] = {
                {"Trust", "s"},
                {"Rebuild", "su", BOOTKEEP_REBUILD_FORCE},
                {"History", "su"},
                {"Sources", "ss"},
        };
        Life life = life_of(*state, calls, ELEMENTSOF(calls));
        life.n_calm = 1;
        daemon_life_write_programs(
                life.s,
                "echo MANIFEST /m; echo SOURCE c - file /x 1 named it; echo CACHE c - fresh\n"
                "echo LEARNED c - no reason; echo RESULT fresh",
                "echo BUILT c - ok 5; echo UPDATED sda1 esp 12-34 ok 100\n"
                "echo RESULT success");
        each_call_of_a_life_is_answered(life);
}

#define OBJECTS "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

static void properties_are_answered(void **state) {
        static const Call calls[] = {
                {"GetManagedObjects", "", .interface = OBJECTS},
                {"GetVolume", "s"},
                {"GetAll", "s", .interface = PROPERTIES, .path = BOOTKEEP_VOLUME_PATH_PREFIX "/sda2"},
                {"GetAll", "s", .interface = PROPERTIES},
        };
        each_call_is_answered_whatever_fails(state, calls, ELEMENTSOF(calls));
}

/* A client of another user, whom polkit would be asked about. 0: it was denied. */
static int call_as_nobody(void) {
        sd_bus *bus = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
            sd_bus_open_system(&bus) < 0)
                return 2;
        (void) sd_bus_call_method(bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH, BOOTKEEP_MANAGER_INTERFACE,
                                  "Scan", &error, NULL, "s", "sda2");
        return sd_bus_error_has_name(&error, SD_BUS_ERROR_ACCESS_DENIED) ? 0 : 1;
}

static int on_nobody_exit(sd_event_source *source, const siginfo_t *info, void *userdata) {
        unsigned *running = userdata;
        if (info->si_code != CLD_EXITED || info->si_status != 0)
                fail_msg("status %i", info->si_status);
        *running = 0;
        return 0;
}

static int ask_polkit(void *userdata) {
        Life *l = userdata;
        unsigned running = 1;
        await_free_name();
        int r = daemon_life_begin(&l->daemon, l->s, note_ready);
        if (r >= 0)
                r = await_ready(l) ? 0 : -ENOMEM;
        if (r >= 0) {
                pid_t pid = fork();
                if (pid == 0)
                        _exit(call_as_nobody());
                assert_true(pid > 0);
                assert_true(sd_event_add_child(l->daemon.event, NULL, pid, WEXITED, on_nobody_exit,
                                               &running) >= 0);
                assert_true(run_until_none(l, &running, SILENCE_USEC));
        }
        life_end(l);
        return r;
}

static void client_of_another_user_is_denied_whatever_fails(void **state) {
        PrivateBus bus;
        Life life = life_of(*state, NULL, 0);
        sigset_t child, before;
        int level = log_set_max_level(LOG_EMERG);
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        assert_int_equal(sigprocmask(SIG_BLOCK, &child, &before), 0);
        assert_int_equal(chmod(life.s->path, 0755), 0);
        private_bus_start(&bus, life.s);
        allocations_fail_or_cope(ask_polkit, &life);
        private_bus_stop(&bus);
        assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
        log_set_max_level(level);
}

/* Whatever is mounted here: nothing is started before the loop runs. */
static int take_census(void *userdata) {
        const Life *l = userdata;
        DaemonLife life;
        Census *census = NULL;
        int r = daemon_life_begin(&life, l->s, note_ready);
        if (r >= 0)
                r = census_new(life.daemon, &census);
        if (r >= 0) {
                census_look(census);
                census_free(census);
        }
        daemon_life_end(&life);
        return r;
}

static void mounts_are_counted_or_the_error_is_returned(void **state) {
        Life life = {.s = *state};
        int level = log_set_max_level(LOG_EMERG);
        allocations_fail_or_cope(take_census, &life);
        log_set_max_level(level);
}

/* logind, as far as it is asked, on the loop of the test. */
static int on_logind_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int ends[2], r;
        if (!sd_bus_message_is_method_call(m, NULL, NULL))
                return 0;
        allocations_pause(true);
        if (!sd_bus_message_is_method_call(m, NULL, "Inhibit"))
                r = sd_bus_reply_method_return(m, "v", "b", false);
        else {
                assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
                r = sd_bus_reply_method_return(m, "h", ends[1]);
                close(ends[0]);
                close(ends[1]);
        }
        allocations_pause(false);
        return r < 0 ? r : 1;
}

typedef struct LogindLife {
        sd_event *event;
        unsigned texts; /* each is another */
} LogindLife;

static char *describe_text(void *userdata, Inhibitor kind) {
        LogindLife *l = userdata;
        char *text = NULL;
        return strprintf(&text, "%u", ++l->texts) < 0 ? NULL : text;
}

static void ignore_change(void *userdata) {
}

/* Whatever failed, what is wanted is asked for again, or held. */
static int hold_inhibitors(void *userdata) {
        static const InhibitHandlers inhibits = {.describe = describe_text, .changed = ignore_change};
        LogindLife *l = userdata;
        const unsigned wanted = INHIBITOR_DELAY | INHIBITOR_WEAK;
        Inhibit *i = NULL;
        int r = inhibit_new(l->event, &inhibits, l, &i);
        if (r < 0)
                return r;
        inhibit_start(i);
        inhibit_want(i, wanted);
        while (inhibit_held(i) != wanted)
                if (sd_event_run(l->event, allocations_have_failed() ? SHORT_SILENCE_USEC : SILENCE_USEC) ==
                    0)
                        break;
        assert_true(inhibit_held(i) == wanted || allocations_have_failed());
        inhibit_renew(i);
        free(inhibit_list(i));
        while (sd_event_run(l->event, SHORT_SILENCE_USEC) > 0)
                ;
        inhibit_want(i, 0);
        assert_int_equal(inhibit_held(i), 0);
        inhibit_free(i);
        return 0;
}

static int on_no_time(sd_event_source *s, uint64_t usec, void *userdata) {
        return 0;
}

static void inhibitors_are_held_or_asked_for_again(void **state) {
        PrivateBus bus;
        sd_bus *logind = NULL;
        LogindLife life = {};
        int level = log_set_max_level(LOG_EMERG);
        private_bus_start(&bus, *state);
        assert_true(sd_event_new(&life.event) >= 0);
        /* the loop keeps the descriptor of its clock */
        assert_true(sd_event_add_time(life.event, NULL, CLOCK_BOOTTIME, USEC_INFINITY, 0, on_no_time, NULL) >=
                    0);
        assert_true(sd_bus_open_system(&logind) >= 0);
        assert_true(sd_bus_request_name(logind, "org.freedesktop.login1", 0) >= 0);
        assert_true(sd_bus_add_filter(logind, NULL, on_logind_call, NULL) >= 0);
        assert_true(sd_bus_attach_event(logind, life.event, 0) >= 0);
        allocations_fail_or_cope_prepared(
                &(AllocationsCase){.call = hold_inhibitors, .userdata = &life, .hands_over = true});
        sd_bus_close_unref(logind);
        sd_event_unref(life.event);
        private_bus_stop(&bus);
        log_set_max_level(level);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(locks_are_answered),
                scratch_test(requests_are_answered),
                scratch_test(questions_are_answered),
                scratch_test(properties_are_answered),
                scratch_test(mounts_are_counted_or_the_error_is_returned),
                scratch_test(inhibitors_are_held_or_asked_for_again),
                scratch_test(client_of_another_user_is_denied_whatever_fails),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
