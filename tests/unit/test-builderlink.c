/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both ends of it. */

/* tests: builder/run/builderhost.c */

#include "builder/run/builderlink.h"

#include <sys/file.h>

#include "builder/run/packet.h"
#include "builderhostworld.h"
#include "disk.h"

static int setup(void **state) {
        HostWorld *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        host_world_start(w);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        host_world_end(*state);
        free(*state);
        return 0;
}

static RunnerOutcome run(HostWorld *w, const char *script, char **ret_reason) {
        const char *argv[] = {"/bin/sh", "-c", script, NULL};
        const RunnerJob job = host_world_job(w, argv);
        RunnerOutcome outcome = RUNNER_FAILED;
        *ret_reason = NULL;
        assert_int_equal(builderlink_run(&w->link, &job, false, &outcome, ret_reason), 0);
        return outcome;
}

static void assert_run(HostWorld *w, const char *script, RunnerOutcome outcome, const char *words) {
        _cleanup_free_ char *reason = NULL;
        assert_int_equal(run(w, script, &reason), outcome);
        if (words && !strstr(strempty(reason), words))
                fail_msg("no \"%s\" in \"%s\"", words, strempty(reason));
        assert_true(words || !reason);
}

static void what_builders_print_and_how_they_end_is_told(void **state) {
        HostWorld *w = *state;
        assert_run(w, "echo one; printf two >&2", RUNNER_SUCCESS, NULL);
        assert_string_equal(w->printed, "one\ntwo\n");
        assert_run(w, "exit 3", RUNNER_FAILED, "builder pack exited with status 3");
        assert_run(w, "exit 75", RUNNER_NOT_NOW, "asked to be run later");
        assert_run(w, "kill -KILL $$", RUNNER_FAILED, "killed by SIGKILL");
        assert_run(w, "echo again", RUNNER_SUCCESS, NULL);
}

static void environment_and_timeout_are_those_of_the_job(void **state) {
        HostWorld *w = *state;
        const char *argv[] = {"/bin/sh", "-c", "echo $A; sleep 1000", NULL};
        char a[] = "A=b c", *environment[] = {a, NULL};
        RunnerJob job = host_world_job(w, argv);
        RunnerOutcome outcome = RUNNER_SUCCESS;
        _cleanup_free_ char *reason = NULL;
        job.program.environ = environment;
        job.timeout_usec = 300 * USEC_PER_MSEC;
        assert_int_equal(builderlink_run(&w->link, &job, false, &outcome, &reason), 0);
        assert_int_equal(outcome, RUNNER_FAILED);
        assert_non_null(strstr(reason, "did not finish within"));
        assert_string_equal(w->printed, "b c\n");
}

static void raise_at_a_line(const char *line, void *userdata) {
        host_world_take(line, userdata);
        assert_int_equal(raise(SIGTERM), 0);
}

static void count_beat(bool active, void *userdata) {
        HostWorld *w = userdata;
        w->status++;
}

static void stop_when_active(bool active, void *userdata) {
        assert_int_equal(active ? raise(SIGTERM) : 0, 0);
}

static void stop_when_idle(bool active, void *userdata) {
        assert_int_equal(active ? 0 : raise(SIGTERM), 0);
}

/* Otherwise the test would not end. */
static void builders_are_told_from_those_that_do_nothing(void **state) {
        static const struct {
                const char *script;
                void (*beat)(bool active, void *userdata);
        } all[] = {
                {"while :; do :; done", stop_when_active},
                {"while :; do echo printing; sleep 0.1; done", stop_when_active},
                {"exec sleep 1000", stop_when_idle},
                {"while :; do sleep 0.5; done", stop_when_idle},
        };
        HostWorld *w = *state;
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                const char *argv[] = {"/bin/sh", "-c", all[i].script, NULL};
                RunnerJob job = host_world_job(w, argv);
                RunnerOutcome outcome = RUNNER_SUCCESS;
                _cleanup_free_ char *reason = NULL;
                host_world_end(w);
                host_world_start(w);
                job.beat = all[i].beat;
                assert_int_equal(builderlink_run(&w->link, &job, false, &outcome, &reason), 0);
                assert_int_equal(outcome, RUNNER_INTERRUPTED);
        }
}

static void beats_are_given_until_it_is_interrupted(void **state) {
        HostWorld *w = *state;
        const char *argv[] = {"/bin/sh", "-c", "sleep 1.5; echo begun; sleep 1000", NULL};
        RunnerJob job = host_world_job(w, argv);
        RunnerOutcome outcome = RUNNER_SUCCESS;
        _cleanup_free_ char *reason = NULL;
        job.line = raise_at_a_line;
        job.beat = count_beat;
        assert_int_equal(builderlink_run(&w->link, &job, false, &outcome, &reason), 0);
        assert_int_equal(outcome, RUNNER_INTERRUPTED);
        assert_string_equal(reason, "interrupted");
        assert_true(w->status > 0);
        host_world_await(w); /* nothing more can be asked of it */
        assert_int_equal(w->status, 0);
}

static void kill_host_at_a_line(const char *line, void *userdata) {
        const HostWorld *w = userdata;
        assert_int_equal(kill(w->pid, SIGKILL), 0);
}

static char *explain(void *userdata) {
        return strdup(userdata);
}

static void host_that_is_gone_is_a_failure_that_is_explained(void **state) {
        HostWorld *w = *state;
        const char *argv[] = {"/bin/sh", "-c", "echo begun; sleep 1000", NULL};
        RunnerJob job = host_world_job(w, argv);
        char why[] = "ate too much";
        job.line = kill_host_at_a_line;
        w->link.explain = explain;
        w->link.userdata = why;
        for (unsigned i = 0; i < 2; i++) { /* it is no better the second time */
                _cleanup_free_ char *reason = NULL;
                RunnerOutcome outcome = RUNNER_SUCCESS;
                assert_int_equal(builderlink_run(&w->link, &job, false, &outcome, &reason), 0);
                assert_int_equal(outcome, RUNNER_FAILED);
                assert_string_equal(reason, "builder pack ate too much");
        }
        Root *root = NULL;
        assert_int_equal(builderlink_open_volume(&w->link, "/", 0, false, &root), -ECONNRESET);
        host_world_await(w);
}

static void host_that_is_told_to_end_stops_the_builder(void **state) {
        HostWorld *w = *state;
        char script[64];
        (void) snprintf(script, sizeof(script), "kill %i; sleep 1000", (int) w->pid);
        assert_run(w, script, RUNNER_INTERRUPTED, "interrupted");
        host_world_await(w);
        assert_int_equal(w->status, 0);
}

static bool is_locked(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        return flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static void drop_lock_at_a_line(const char *line, void *userdata) {
        HostWorld *w = userdata;
        closep(&w->link.held[0]);
        w->link.held[0] = -EBADF;
        (void) snprintf(w->printed, sizeof(w->printed), "%s", is_locked(line) ? "locked" : "free");
}

/* As if the build itself had been killed; and no longer than the builder runs. */
static void lock_is_held_as_long_as_a_builder_runs(void **state) {
        HostWorld *w = *state;
        char path[] = "/tmp/bootkeep-test-XXXXXX";
        const char *argv[] = {"/bin/sh", "-c", "echo $0; sleep 0.5", path, NULL};
        RunnerJob job = host_world_job(w, argv);
        RunnerOutcome outcome = RUNNER_FAILED;
        char *reason = NULL;
        int fd = mkostemp(path, O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        w->link.held[0] = fd;
        job.line = drop_lock_at_a_line;
        assert_int_equal(builderlink_run(&w->link, &job, false, &outcome, &reason), 0);
        bool left = is_locked(path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(outcome, RUNNER_SUCCESS);
        assert_string_equal(w->printed, "locked");
        assert_false(left);
}

static void host_that_talks_nonsense_is_refused(void **state) {
        HostWorld *w = *state;
        const char *argv[] = {"/bin/true", NULL};
        static const Packet nonsense[] = {
                {.kind = PACKET_END, .number = 17},
                {.kind = PACKET_VOLUME},
                {.kind = PACKET_FAILED, .number = 0},
        };
        for (size_t i = 0; i < ELEMENTSOF(nonsense); i++) {
                BuilderLink link = BUILDER_LINK_NULL;
                RunnerJob job = host_world_job(w, argv);
                RunnerOutcome outcome;
                char *reason = NULL;
                Root *root = NULL;
                int ends[2];
                assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
                link.socket = ends[0];
                assert_int_equal(packet_send(ends[1], &nonsense[i]), 0);
                if (nonsense[i].kind == PACKET_END)
                        assert_int_equal(builderlink_run(&link, &job, false, &outcome, &reason), -EBADMSG);
                else
                        assert_int_equal(builderlink_open_volume(&link, "/", 0, false, &root), -EBADMSG);
                close(ends[0]);
                close(ends[1]);
        }
}

static void build_that_talks_nonsense_is_left(void **state) {
        HostWorld *w = *state;
        static const Packet nonsense[] = {
                {.kind = PACKET_LINE},
                {.kind = PACKET_RUN},
                {.kind = PACKET_OPEN, .text = "x /"},
        };
        for (size_t i = 0; i < ELEMENTSOF(nonsense); i++) {
                if (i > 0) {
                        host_world_end(w);
                        host_world_start(w);
                }
                assert_int_equal(packet_send(w->link.socket, &nonsense[i]), 0);
                host_world_await(w);
                assert_int_equal(WEXITSTATUS(w->status), EBADMSG);
        }
}

static void volume_that_cannot_be_opened_is_told(void **state) {
        HostWorld *w = *state;
        const char *argv[] = {"/bin/true", NULL};
        RunnerJob job = host_world_job(w, argv);
        RunnerOutcome outcome;
        char *reason = NULL;
        Root *root = NULL;
        assert_int_equal(builderlink_open_volume(&w->link, "/nonexistent", 0, true, &root), -ENOENT);
        assert_int_equal(builderlink_open_volume(&w->link, "/proc/self", 0, true, &root), -EINVAL);
        assert_int_equal(builderlink_run(&w->link, &job, true, &outcome, &reason), -EBADMSG); /* in which? */
}

/* What a builder of the host's uses of the volume is known here, if anybody wants to know. */
static void assert_learned(HostWorld *w, const char *mnt) {
        char script[256];
        (void) snprintf(script, sizeof(script), "cat %s/lost+found/x; ls %s >/dev/null", mnt, mnt);
        const char *argv[] = {"/bin/sh", "-c", script, NULL};
        RunnerJob job = host_world_job(w, argv);
        Trace trace = {};
        RunnerOutcome outcome = RUNNER_FAILED;
        char *reason = NULL;
        job.trace = &trace;
        assert_int_equal(builderlink_run(&w->link, &job, false, &outcome, &reason), 0);
        assert_int_equal(outcome, RUNNER_SUCCESS);
        assert_null(trace.incomplete);
        assert_int_equal(trace.n, 1);
        assert_string_equal(trace.items[0].path, "/");
        assert_int_equal(trace.items[0].kinds, TRACE_LISTED);
        assert_string_equal(trace.items[0].names[0], "lost+found");
        assert_true(trace.began.tv_sec > 0 && trace.clock != 0);
        trace_done(&trace);
        job.trace = NULL;
        assert_int_equal(builderlink_run(&w->link, &job, false, &outcome, &reason), 0);
        assert_int_equal(outcome, RUNNER_SUCCESS);
}

/* Other mount namespaces have other mounts of it, with other IDs, or none. */
static void volume_comes_from_where_the_host_is(void **state) {
        HostWorld *w = *state;
        Scratch *s = NULL;
        Root *root = NULL, *at_home = NULL;
        Disk disk;
        char mnt[96];
        assert_int_equal(scratch_setup((void **) &s), 0);
        host_world_end(w);
        scratch_unshare(s);
        disk_attach(&disk, s, "20M", NULL, false);
        (void) snprintf(mnt, sizeof(mnt), "%s/mnt", s->path);
        shell("mkfs.ext4 -q %s && mkdir %s && mount %s %s", disk.node, mnt, disk.node, mnt);
        host_world_start(w);
        assert_int_equal(unshare(CLONE_NEWNS), 0);
        assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        shell("umount %s", mnt);
        assert_int_equal(root_open(mnt, 0, &at_home), -EINVAL);
        assert_int_equal(builderlink_open_volume(&w->link, mnt, 0, true, &root), 0);
        assert_string_equal(root->mount.target, mnt);
        assert_string_equal(root->mount.node, disk.node);
        assert_true(root->state_fd >= 0);
        assert_int_equal(root_make_state(root), 0);
        assert_int_equal(faccessat(root->state_fd, "caches", F_OK, 0), 0);
        assert_learned(w, mnt);
        root_free(root);
        host_world_end(w);
        disk_detach(&disk);
        host_world_start(w);
        assert_int_equal(scratch_teardown((void **) &s), 0);
}

int main(void) {
#define link_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                link_test(what_builders_print_and_how_they_end_is_told),
                link_test(environment_and_timeout_are_those_of_the_job),
                link_test(beats_are_given_until_it_is_interrupted),
                link_test(builders_are_told_from_those_that_do_nothing),
                link_test(host_that_is_gone_is_a_failure_that_is_explained),
                link_test(host_that_is_told_to_end_stops_the_builder),
                link_test(lock_is_held_as_long_as_a_builder_runs),
                link_test(host_that_talks_nonsense_is_refused),
                link_test(build_that_talks_nonsense_is_left),
                link_test(volume_that_cannot_be_opened_is_told),
                link_test(volume_comes_from_where_the_host_is),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
