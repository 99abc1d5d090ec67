/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: daemon/world/unitcall.c daemon/world/unitquery.c */

#include "daemon/world/unitjob.h"

#include <poll.h>
#include <sys/stat.h>

#include "privatebus.h"
#include "unitworld.h"

typedef struct World {
        Scratch *scratch;
        char *place, *folder; /* of sda1 */
        char **lines;
} World;

static char *const arguments[] = {(char *) "--no-wait", (char *) "/mnt", NULL};

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_int_equal(scratch_setup((void **) &w->scratch), 0);
        w->place = outer_path(w->scratch, "builds");
        w->folder = outer_path(w->scratch, "builds/sda1");
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;
        int r = scratch_teardown((void **) &w->scratch);
        free(w->place);
        free(w->folder);
        strv_free(w->lines);
        free(w);
        return r;
}

static UnitJob *make(const World *w) {
        UnitJob *u = NULL;
        assert_int_equal(unitjob_new(w->place, "sda1", arguments, &u), 0);
        return u;
}

static UnitJob *find(const World *w) {
        UnitJob *u = NULL;
        assert_int_equal(unitjob_find(w->place, "sda1", &u), 0);
        return u;
}

static void hear(const char *line, void *userdata) {
        World *w = userdata;
        assert_int_equal(strv_extend(&w->lines, line), 0);
}

static bool is_readable_now(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        return poll(&p, 1, 0) > 0;
}

static bool has_folder(const World *w) {
        return access(w->folder, F_OK) >= 0;
}

static void report_is_followed_to_the_end(void **state) {
        World *w = *state;
        UnitJob *u = make(w);
        assert_int_equal(unitjob_get_pid(u), 0);
        assert_false(is_readable_now(unitjob_get_output_fd(u)));
        pid_t pid = unit_build_begin(w->folder, "PROGRESS 1 2\nPROG");
        assert_int_equal(unitjob_get_pid(u), pid);
        assert_true(is_readable_now(unitjob_get_output_fd(u)));
        assert_int_equal(unitjob_read(u, hear, w), 0);
        assert_int_equal(strv_length(w->lines), 1);
        assert_string_equal(w->lines[0], "PROGRESS 1 2");
        assert_false(is_readable_now(unitjob_get_output_fd(u))); /* or it would wake us without end */
        assert_false(unitjob_has_ended(u));
        assert_false(is_readable_now(unitjob_get_process_fd(u)));
        assert_false(unitjob_is_lost(u));
        unit_build_end(w->folder, pid, "exit-code exited 3\n");
        assert_true(is_readable_now(unitjob_get_process_fd(u)));
        assert_true(unitjob_has_ended(u));
        assert_null(unitjob_get_refusal(u));
        assert_int_equal(unitjob_conclude(u).status, 3);
        assert_false(has_folder(w));
        unitjob_free(u);
}

static void arguments_are_left_in_the_folder(void **state) {
        const World *w = *state;
        UnitJob *u = make(w);
        _cleanup_strv_free_ char **read = NULL;
        struct stat st;
        int fd = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(buildfolder_read_arguments(fd, &read), 0);
        assert_string_equal(read[0], "--no-wait");
        assert_string_equal(read[1], "/mnt");
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        uint64_t start = unitjob_get_start(u), now = realtime_usec();
        assert_true(start <= now + USEC_PER_SEC && start + 600 * USEC_PER_SEC > now);
        close(fd);
        unitjob_free(u);
}

/* A daemon that was restarted: the report is read from its beginning. */
static void running_build_is_found_again(void **state) {
        World *w = *state;
        unitjob_free(make(w));
        pid_t pid = unit_build_begin(w->folder, "LOCKED :1.5\nPROGRESS 1 2\n");
        UnitJob *u = find(w);
        assert_false(unitjob_has_ended(u));
        assert_int_equal(unitjob_get_pid(u), pid);
        assert_int_equal(unitjob_read(u, hear, w), 0);
        assert_int_equal(strv_length(w->lines), 2);
        unit_build_end(w->folder, pid, "success exited 0\n");
        assert_true(is_readable_now(unitjob_get_process_fd(u)));
        assert_true(unitjob_has_ended(u));
        assert_int_equal(unitjob_conclude(u).status, 0);
        unitjob_free(u);
}

static void build_that_ended_meanwhile_is_concluded(void **state) {
        World *w = *state;
        unitjob_free(make(w));
        pid_t pid = unit_build_begin(w->folder, "RESULT failed\n");
        unit_build_end(w->folder, pid, "oom-kill killed KILL\n");
        UnitJob *u = find(w);
        assert_true(is_readable_now(unitjob_get_process_fd(u))); /* at once */
        assert_true(unitjob_has_ended(u));
        assert_int_equal(unitjob_read(u, hear, w), 0);
        assert_string_equal(w->lines[0], "RESULT failed");
        UnitEnd end = unitjob_conclude(u);
        assert_int_equal(end.status, 128 + SIGKILL);
        assert_contains(end.why, "memory");
        assert_false(has_folder(w));
        unitjob_free(u);
}

static void what_nobody_runs_is_not_found(void **state) {
        const World *w = *state;
        UnitJob *u = NULL;
        assert_int_equal(unitjob_find(w->place, "sda1", &u), -ENOENT);
        unitjob_free(make(w));
        assert_true(has_folder(w));
        assert_int_equal(unitjob_find(w->place, "sda1", &u), -ENOENT);
        assert_null(u);
        assert_false(has_folder(w)); /* nothing is left of it */
}

static void two_builds_of_a_volume_never_share_a_folder(void **state) {
        const World *w = *state;
        UnitJob *u = make(w), *other = NULL;
        pid_t pid = unit_build_begin(w->folder, "");
        assert_int_equal(unitjob_new(w->place, "sda1", arguments, &other), -EBUSY);
        assert_null(other);
        unit_build_end(w->folder, pid, "success exited 0\n");
        unitjob_free(u);
        u = make(w);
        assert_false(unitjob_has_ended(u)); /* the end was that of the one before */
        unitjob_free(u);
}

static void lost_build_is_known_to_be_lost(void **state) {
        const World *w = *state;
        UnitJob *u = make(w);
        pid_t pid = unit_build_begin(w->folder, "");
        assert_false(unitjob_is_lost(u));
        unit_build_end(w->folder, pid, NULL);
        assert_true(unitjob_is_lost(u));
        assert_false(unitjob_has_ended(u));
        UnitEnd end = unitjob_conclude(u);
        assert_true(end.began);
        assert_int_equal(end.status, 128 + SIGKILL);
        assert_non_null(end.why);
        unitjob_free(u);
}

static void end_that_is_not_understood_has_not_begun(void **state) {
        const World *w = *state;
        static const char *const ends[] = {
                "", "\n", "nonsense", "a b c d\n", "exit-code exited 203\n", "exit-code exited 248\n"};
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                UnitJob *u = make(w);
                pid_t pid = unit_build_begin(w->folder, "");
                unit_build_end(w->folder, pid, ends[i]);
                assert_true(unitjob_has_ended(u));
                assert_contains(unitjob_get_refusal(u), "bootkeep-build@sda1.service");
                if (strstr(ends[i], "248"))
                        assert_contains(unitjob_get_refusal(u), "could not start the unit of its builders");
                (void) unitjob_conclude(u);
                unitjob_free(u);
        }
}

static void signal_arrives_and_what_does_not_run_will_not(void **state) {
        const World *w = *state;
        UnitJob *u = make(w);
        int status = 0;
        pid_t pid = unit_build_begin(w->folder, "");
        assert_int_equal(unitjob_kill(u, SIGTERM), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        assert_int_equal(unitjob_kill(u, SIGTERM), -ESRCH);
        unitjob_free(u);
        u = make(w);
        assert_int_equal(unitjob_kill(u, SIGTERM), -ESRCH);
        char *path = outer_path(w->scratch, "builds/sda1/arguments");
        assert_int_equal(access(path, F_OK), -1);
        free(path);
        unitjob_free(u);
}

static void names_are_escaped_as_systemd_does(void **state) {
        const World *w = *state;
        static const struct {
                const char *volume, *folder;
        } names[] = {
                {"sda1", "builds/sda1"},     {"sda2[/@]", "builds/sda2\\x5b-\\x40\\x5d"},
                {"dm-0", "builds/dm\\x2d0"}, {"a.b:c_d\xff", "builds/a.b:c_d\\xff"},
                {".x", "builds/\\x2ex"},
        };
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                UnitJob *u = NULL;
                char *path = outer_path(w->scratch, names[i].folder);
                assert_int_equal(unitjob_new(w->place, names[i].volume, arguments, &u), 0);
                assert_int_equal(access(path, F_OK), 0);
                free(path);
                unitjob_free(u);
        }
        char name[300];
        UnitJob *u = NULL;
        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        assert_int_equal(unitjob_new(w->place, name, arguments, &u), -ENAMETOOLONG);
        assert_null(u);
}

/* systemd on a bus */

typedef struct Manager {
        sd_bus *bus;
        const char *error; /* of the next answers; NULL: a job */
        const char *only;  /* the error is for this mode, or NULL: for all */
        char asked[256];
        const char *state, *result; /* of the unit; NULL: it has none */
        int32_t code, status;
} Manager;

static int answer_ending(sd_bus_message *m, const Manager *manager) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        assert_true(sd_bus_message_new_method_return(m, &reply) >= 0);
        assert_true(sd_bus_message_append(reply, "a{sv}", 4, "Result", "s", manager->result, "ExecMainCode",
                                          "i", manager->code, "NRestarts", "u", 7, "ExecMainStatus", "i",
                                          manager->status) >= 0);
        return sd_bus_send(NULL, reply, NULL) < 0 ? -1 : 1;
}

static int on_unit_property_call(sd_bus_message *m, const Manager *manager) {
        const char *interface, *name;
        assert_string_equal(sd_bus_message_get_path(m),
                            "/org/freedesktop/systemd1/unit/bootkeep_2dbuild_40sda1_2eservice");
        if (!manager->state)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_UNKNOWN_OBJECT, "no");
        assert_true(sd_bus_message_read(m, "s", &interface) >= 0);
        if (sd_bus_message_is_method_call(m, NULL, "GetAll")) {
                assert_string_equal(interface, "org.freedesktop.systemd1.Service");
                return answer_ending(m, manager);
        }
        assert_true(sd_bus_message_read(m, "s", &name) >= 0);
        assert_string_equal(interface, "org.freedesktop.systemd1.Unit");
        assert_string_equal(name, "ActiveState");
        return sd_bus_reply_method_return(m, "v", "s", manager->state);
}

static int on_manager_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        const char *unit, *mode;
        if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", NULL))
                return on_unit_property_call(m, manager);
        if (!sd_bus_message_is_method_call(m, "org.freedesktop.systemd1.Manager", "StartUnit"))
                return 0;
        assert_true(sd_bus_message_read(m, "ss", &unit, &mode) >= 0);
        size_t n = strlen(manager->asked);
        (void) snprintf(manager->asked + n, sizeof(manager->asked) - n, "%s %s;", unit, mode);
        if (manager->error && (!manager->only || streq(mode, manager->only)))
                return sd_bus_reply_method_errorf(m, manager->error, "no, because of %s", unit);
        return sd_bus_reply_method_return(m, "o", "/job/1");
}

typedef struct Systemd {
        PrivateBus daemon;
        Manager manager;
        sd_bus *client;
} Systemd;

static void systemd_start(Systemd *s, const World *w) {
        *s = (Systemd){};
        private_bus_start(&s->daemon, w->scratch);
        s->manager.bus = private_bus_connect();
        s->client = private_bus_connect();
        assert_true(sd_bus_add_filter(s->manager.bus, NULL, on_manager_call, &s->manager) >= 0);
        assert_true(sd_bus_request_name(s->manager.bus, "org.freedesktop.systemd1", 0) >= 0);
}

static void systemd_stop(Systemd *s) {
        sd_bus_close_unref(s->manager.bus);
        sd_bus_close_unref(s->client);
        private_bus_stop(&s->daemon);
}

static void systemd_process(Systemd *s) {
        for (int idle = 0; idle < 2;) {
                int r = sd_bus_process(s->manager.bus, NULL), q = sd_bus_process(s->client, NULL);
                assert_true(r >= 0 && q >= 0);
                idle = r > 0 || q > 0 ? 0 : idle + 1;
                if (idle == 1)
                        assert_true(sd_bus_wait(s->client, 50 * USEC_PER_MSEC) >= 0);
        }
}

/* Until U has ended, or systemd was asked as in ASKED. */
static void systemd_ask(Systemd *s, UnitJob *u, const char *asked) {
        uint64_t end = now_usec() + 60 * USEC_PER_SEC;
        assert_int_equal(unitjob_start(u, s->client), 0);
        while (!unitjob_has_ended(u) && !streq(s->manager.asked, asked)) {
                assert_true(now_usec() < end);
                systemd_process(s);
        }
        systemd_process(s);
        assert_string_equal(s->manager.asked, asked);
}

static void systemd_is_asked_to_start_it(void **state) {
        const World *w = *state;
        Systemd s;
        UnitJob *u = make(w);
        systemd_start(&s, w);
        systemd_ask(&s, u, "bootkeep-build@sda1.service replace;");
        assert_false(unitjob_has_ended(u));
        unitjob_free(u);
        systemd_stop(&s);
}

static void refusal_is_an_end_with_its_reason(void **state) {
        const World *w = *state;
        Systemd s;
        UnitJob *u = make(w);
        systemd_start(&s, w);
        s.manager.error = "org.freedesktop.systemd1.UnitMasked";
        systemd_ask(&s, u, "bootkeep-build@sda1.service replace;");
        assert_true(is_readable_now(unitjob_get_process_fd(u)) || unitjob_has_ended(u));
        assert_true(unitjob_has_ended(u));
        assert_contains(unitjob_get_refusal(u), "no, because of bootkeep-build@sda1.service");
        assert_contains(unitjob_get_refusal(u), "systemctl unmask bootkeep-build@.service");
        assert_false(unitjob_was_unreached(u));
        (void) unitjob_conclude(u);
        unitjob_free(u);
        systemd_stop(&s);
}

static void while_the_system_goes_down_dependencies_do_not_matter(void **state) {
        const World *w = *state;
        Systemd s;
        UnitJob *u = make(w);
        systemd_start(&s, w);
        s.manager.error = "org.freedesktop.systemd1.TransactionIsDestructive";
        s.manager.only = "replace";
        systemd_ask(&s, u,
                    "bootkeep-build@sda1.service replace;bootkeep-build@sda1.service ignore-dependencies;");
        assert_false(unitjob_has_ended(u));
        unitjob_free(u);
        /* and where that is refused, too, that is the end of it */
        u = make(w);
        s.manager.only = NULL;
        s.manager.asked[0] = 0;
        systemd_ask(&s, u,
                    "bootkeep-build@sda1.service replace;bootkeep-build@sda1.service ignore-dependencies;");
        assert_true(unitjob_has_ended(u));
        assert_non_null(unitjob_get_refusal(u));
        unitjob_free(u);
        systemd_stop(&s);
}

static void tell_job_removed(const Systemd *s, const char *unit, const char *result) {
        assert_true(sd_bus_emit_signal(s->manager.bus, "/org/freedesktop/systemd1",
                                       "org.freedesktop.systemd1.Manager", "JobRemoved", "uoss", 1, "/job/1",
                                       unit, result) >= 0);
}

static void job_that_fails_is_a_refusal(void **state) {
        const World *w = *state;
        Systemd s;
        UnitJob *u = make(w);
        systemd_start(&s, w);
        systemd_ask(&s, u, "bootkeep-build@sda1.service replace;");
        tell_job_removed(&s, "other.service", "failed");
        tell_job_removed(&s, "bootkeep-build@sda1.service", "done");
        systemd_process(&s);
        assert_false(unitjob_has_ended(u));
        tell_job_removed(&s, "bootkeep-build@sda1.service", "dependency");
        uint64_t end = now_usec() + 60 * USEC_PER_SEC;
        while (!unitjob_has_ended(u)) {
                assert_true(now_usec() < end);
                systemd_process(&s);
        }
        assert_contains(unitjob_get_refusal(u), "dependency");
        unitjob_free(u);
        systemd_stop(&s);
}

static void without_systemd_or_a_bus_it_is_refused(void **state) {
        const World *w = *state;
        PrivateBus daemon;
        UnitJob *u = make(w);
        assert_int_equal(unitjob_start(u, NULL), -ENOTCONN);
        private_bus_start(&daemon, w->scratch);
        sd_bus *client = private_bus_connect();
        assert_int_equal(unitjob_start(u, client), 0);
        uint64_t end = now_usec() + 60 * USEC_PER_SEC;
        while (!unitjob_has_ended(u)) {
                assert_true(now_usec() < end && sd_bus_process(client, NULL) >= 0);
                assert_true(sd_bus_wait(client, 10 * USEC_PER_MSEC) >= 0);
        }
        assert_contains(unitjob_get_refusal(u), "org.freedesktop.systemd1");
        unitjob_free(u);
        sd_bus_close_unref(client);
        private_bus_stop(&daemon);
}

/* The call succeeded, its answer did not arrive. */
static void what_runs_is_not_refused(void **state) {
        const World *w = *state;
        Systemd s;
        UnitJob *u = make(w);
        systemd_start(&s, w);
        pid_t pid = unit_build_begin(w->folder, "");
        s.manager.error = SD_BUS_ERROR_NO_REPLY;
        systemd_ask(&s, u, "bootkeep-build@sda1.service replace;");
        assert_false(unitjob_has_ended(u));
        unit_build_end(w->folder, pid, "success exited 0\n");
        assert_true(unitjob_has_ended(u));
        assert_null(unitjob_get_refusal(u));
        unitjob_free(u);
        systemd_stop(&s);
}

/* A build that was killed, and its ExecStopPost= as well. */
static UnitJob *lose_build(const World *w) {
        UnitJob *u = make(w);
        pid_t pid = unit_build_begin(w->folder, "");
        assert_false(is_readable_now(unitjob_get_process_fd(u)));
        unit_build_end(w->folder, pid, NULL);
        assert_true(is_readable_now(unitjob_get_process_fd(u))); /* or nobody would ask */
        assert_false(unitjob_has_ended(u));
        return u;
}

static void await_end(Systemd *s, UnitJob *u) {
        uint64_t end = now_usec() + 60 * USEC_PER_SEC;
        while (!is_readable_now(unitjob_get_process_fd(u))) {
                assert_true(now_usec() < end);
                systemd_process(s);
        }
        assert_true(unitjob_has_ended(u));
}

static void systemd_knows_how_a_lost_build_ended(void **state) {
        const World *w = *state;
        static const struct {
                const char *state, *result;
                int32_t code, status;
                int expected;
                const char *why; /* words of it, or NULL */
        } cases[] = {
                {"failed", "oom-kill", CLD_KILLED, SIGKILL, 128 + SIGKILL, "memory"},
                {"failed", "signal", CLD_KILLED, SIGTERM, 128 + SIGTERM, NULL},
                {"failed", "core-dump", CLD_DUMPED, SIGSEGV, 128 + SIGSEGV, "crashed"},
                {"failed", "exit-code", CLD_EXITED, 3, 3, NULL},
                {"inactive", "success", CLD_EXITED, 75, 75, NULL},
                {"inactive", "success", 0, 0, 128 + SIGKILL, "nobody said how"}, /* loaded anew */
                {"failed", "signal", 77, -7, 128 + SIGKILL, "nobody said how"},
        };
        Systemd s;
        systemd_start(&s, w);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                UnitJob *u = lose_build(w);
                s.manager.state = cases[i].state;
                s.manager.result = cases[i].result;
                s.manager.code = cases[i].code;
                s.manager.status = cases[i].status;
                assert_int_equal(unitjob_inquire(u, s.client), 0);
                await_end(&s, u);
                assert_null(unitjob_get_refusal(u)); /* it began */
                UnitEnd end = unitjob_conclude(u);
                assert_int_equal(end.status, cases[i].expected);
                if (cases[i].why)
                        assert_contains(end.why, cases[i].why);
                else
                        assert_null(end.why);
                unitjob_free(u);
        }
        systemd_stop(&s);
}

static void tell_unit_changed(const Systemd *s) {
        assert_true(sd_bus_emit_signal(s->manager.bus,
                                       "/org/freedesktop/systemd1/unit/bootkeep_2dbuild_40sda1_2eservice",
                                       "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as",
                                       "org.freedesktop.systemd1.Unit", 0, 0) >= 0);
}

/* Its ExecStopPost= runs until it is killed. */
static void what_systemd_has_not_done_with_is_waited_for(void **state) {
        const World *w = *state;
        Systemd s;
        UnitJob *u = lose_build(w);
        systemd_start(&s, w);
        s.manager.state = "deactivating";
        s.manager.result = "oom-kill";
        s.manager.code = CLD_KILLED;
        s.manager.status = SIGKILL;
        assert_int_equal(unitjob_inquire(u, s.client), 0);
        assert_int_equal(unitjob_inquire(u, s.client), 0); /* once is enough */
        for (int i = 0; i < 3; i++) {
                systemd_process(&s);
                tell_unit_changed(&s);
        }
        assert_false(unitjob_has_ended(u));
        s.manager.state = "failed";
        tell_unit_changed(&s);
        await_end(&s, u);
        assert_contains(unitjob_conclude(u).why, "memory");
        unitjob_free(u);
        systemd_stop(&s);
}

static void without_an_answer_it_stays_lost(void **state) {
        const World *w = *state;
        Systemd s;
        UnitJob *u = lose_build(w);
        assert_int_equal(unitjob_inquire(u, NULL), -ENOTCONN);
        systemd_start(&s, w);
        assert_int_equal(unitjob_inquire(u, s.client), 0);
        systemd_process(&s);
        tell_unit_changed(&s);
        systemd_process(&s);
        assert_false(unitjob_has_ended(u));
        assert_true(unitjob_is_lost(u));
        unitjob_free(u);
        systemd_stop(&s);
}

static void nobody_is_asked_about_what_runs(void **state) {
        const World *w = *state;
        Systemd s;
        UnitJob *u = make(w);
        systemd_start(&s, w);
        pid_t pid = unit_build_begin(w->folder, "");
        s.manager.state = "failed";
        s.manager.result = "oom-kill";
        assert_int_equal(unitjob_inquire(u, s.client), 0);
        systemd_process(&s);
        assert_false(unitjob_has_ended(u));
        unit_build_end(w->folder, pid, "success exited 0\n");
        assert_true(unitjob_has_ended(u));
        assert_int_equal(unitjob_conclude(u).status, 0);
        unitjob_free(u);
        systemd_stop(&s);
}

#define unitjob_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                unitjob_test(report_is_followed_to_the_end),
                unitjob_test(arguments_are_left_in_the_folder),
                unitjob_test(running_build_is_found_again),
                unitjob_test(build_that_ended_meanwhile_is_concluded),
                unitjob_test(what_nobody_runs_is_not_found),
                unitjob_test(two_builds_of_a_volume_never_share_a_folder),
                unitjob_test(lost_build_is_known_to_be_lost),
                unitjob_test(end_that_is_not_understood_has_not_begun),
                unitjob_test(signal_arrives_and_what_does_not_run_will_not),
                unitjob_test(names_are_escaped_as_systemd_does),
                unitjob_test(systemd_is_asked_to_start_it),
                unitjob_test(refusal_is_an_end_with_its_reason),
                unitjob_test(while_the_system_goes_down_dependencies_do_not_matter),
                unitjob_test(job_that_fails_is_a_refusal),
                unitjob_test(without_systemd_or_a_bus_it_is_refused),
                unitjob_test(what_runs_is_not_refused),
                unitjob_test(systemd_knows_how_a_lost_build_ended),
                unitjob_test(what_systemd_has_not_done_with_is_waited_for),
                unitjob_test(without_an_answer_it_stays_lost),
                unitjob_test(nobody_is_asked_about_what_runs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
