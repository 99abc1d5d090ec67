/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: builder/run/chroot.c builder/run/builderspace.c builder/run/descendants.c */

/* What a builder finds when it begins. */

#include "builder/run/spawn.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "builder/run/descendants.h"
#include "scratch.h"

typedef struct Printed {
        char text[8192];
        int status; /* of waitpid */
} Printed;

/* In the volume whose root directory is ROOT, if it is one. */
static int start_in(int root, SpawnProgram program, Spawn *ret, char **reason) {
        _cleanup_(builderspace_done) BuilderSpace space = BUILDER_SPACE_NULL;
        if (root >= 0) {
                assert_int_equal(builderspace_make(root, NULL, program.argv, &space), 0);
                program.space = &space;
        }
        return spawn_start(&program, ret, reason);
}

/* What ARGV prints, to the end. */
static Printed run_program(const char *const *argv, const char *const *environment, int root) {
        const SpawnProgram program = {
                .name = "pack",
                .argv = (char *const *) argv,
                .environ = (char *const *) environment,
        };
        Printed printed = {};
        Spawn spawn = SPAWN_NULL;
        char *reason = NULL;
        int r = start_in(root, program, &spawn, &reason);
        if (r < 0)
                fail_msg("%s", strempty(reason));
        assert_int_equal(fcntl(spawn.output_fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        assert_int_equal(fcntl(spawn.output_fd, F_SETFL, 0), 0);
        size_t size = 0;
        for (ssize_t n;
             (n = read(spawn.output_fd, printed.text + size, sizeof(printed.text) - 1 - size)) > 0;)
                size += (size_t) n;
        assert_int_equal(waitpid(spawn.pid, &printed.status, 0), spawn.pid);
        spawn_done(&spawn);
        return printed;
}

static Printed run_shell(const char *script, int root) {
        return run_program((const char *const[]){"/bin/sh", "-c", script, NULL}, NULL, root);
}

static void the_environment_is_these_words_and_no_more(void **state) {
        Printed p = run_program((const char *const[]){"/usr/bin/env", NULL},
                                (const char *const[]){"A=1", "B=2 3", NULL}, -EBADF);
        assert_string_equal(p.text,
                            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                            "LANG=C\nSOURCE_DATE_EPOCH=315532800\nHOME=/root\nTERM=dumb\nA=1\nB=2 3\n");
        assert_int_equal(p.status, 0);
}

static void the_builder_is_at_the_root_with_nothing_to_read(void **state) {
        Printed p = run_shell("pwd; umask; read x || echo nothing; readlink /proc/$$/fd/0", -EBADF);
        assert_string_equal(p.text, "/\n0022\nnothing\n/dev/null\n");
}

/* Others come first. */
static void the_builder_has_a_low_priority(void **state) {
        Printed p = run_shell("nice; ionice; ulimit -Sn; cat /proc/self/oom_score_adj", -EBADF);
        assert_string_equal(p.text, "10\nbest-effort: prio 7\n1024\n0\n");
}

static void a_low_limit_of_descriptors_stays(void **state) {
        struct rlimit old;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){512, old.rlim_max}), 0);
        Printed p = run_shell("ulimit -Sn; ulimit -Hn", -EBADF);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(strtol(p.text, NULL, 10), 512);
        assert_int_equal(strtol(strchr(p.text, '\n'), NULL, 10), (long) old.rlim_max);
}

/* Fields 5 and 6 of stat(5): its process group and its session. */
static void the_builder_has_a_session_of_its_own(void **state) {
        Printed p = run_shell("cut -d' ' -f5,6 /proc/$$/stat", -EBADF);
        long group = 0, session = 0;
        assert_int_equal(sscanf(p.text, "%ld %ld", &group, &session), 2);
        assert_true(session != getsid(0) && session > 0);
        assert_true(group != getpgrp() && group == session);
}

/* With the default action for all signals, and none of them blocked. */
static void the_builder_ends_by_the_signal_that_ends_it(void **state) {
        static const int signals[] = {SIGTERM, SIGHUP, SIGPIPE, SIGKILL};
        char script[32];
        assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                (void) snprintf(script, sizeof(script), "kill -%i $$; exit 3", signals[i]);
                Printed p = run_shell(script, -EBADF);
                assert_true(WIFSIGNALED(p.status));
                assert_int_equal(WTERMSIG(p.status), signals[i]);
                assert_false(WCOREDUMP(p.status));
        }
        Printed p = run_shell("exit 77", -EBADF);
        assert_true(WIFEXITED(p.status));
        assert_int_equal(WEXITSTATUS(p.status), 77);
}

static int start(const char *path, int root, char **reason) {
        const char *argv[] = {path, NULL};
        const SpawnProgram program = {.name = "pack", .argv = (char *const *) argv};
        Spawn spawn = SPAWN_NULL;
        int r = start_in(root, program, &spawn, reason);
        assert_true(spawn.pid == 0 && spawn.pidfd < 0 && spawn.output_fd < 0);
        return r;
}

static void what_cannot_be_started_is_told_and_leaves_nothing(void **state) {
        const Scratch *s = *state;
        char path[128], expected[256], *reason = NULL;
        scratch_write(s, "program", "not one");
        (void) snprintf(path, sizeof(path), "%s/program", s->path);
        assert_int_equal(start(path, -EBADF, &reason), -ENOEXEC);
        (void) snprintf(expected, sizeof(expected), "builder pack: %s: Permission denied", path);
        assert_string_equal(reason, expected);
        assert_int_equal(start("/none", -EBADF, &reason), -ENOEXEC);
        assert_string_equal(reason, "builder pack: /none: No such file or directory");
        int file = openat(s->fd, "program", O_PATH | O_CLOEXEC);
        assert_int_equal(start("/none", file, &reason), -ENOEXEC);
        assert_begins(reason, "builder pack: mount namespace: ");
        close(file);
        free(reason);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

/* A volume with what a shell script needs, mounted on v. */
static int mount_volume(Scratch *s, const char *directories) {
        scratch_unshare(s);
        shell("cd %s && mkdir v && mount -t tmpfs tmpfs v && cd v && mkdir -p bin %s && "
              "for p in sh ls cat stat grep umount; do p=$(command -v $p) && cp -L $p bin && "
              "  for l in $(ldd $p | grep -o '/[^ )]*'); do mkdir -p .${l%%/*} && cp -L $l .$l; done; done",
              s->path, directories);
        int root = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(root >= 0);
        return root;
}

static void a_builder_in_a_volume_sees_its_mounts_and_those_of_a_system(void **state) {
        Scratch *s = *state;
        int root = mount_volume(s, "proc sys dev run m");
        shell("cd %s/v && mount -t tmpfs tmpfs m && echo m >m/m", s->path);
        Printed p = run_shell(
                "ls -d /proc/self/stat /sys/kernel /dev/null; ls -A /run; echo mine >/run/mine; "
                "stat -c %a /run; cat /m/m; umount /m && ls -A /m; "
                "grep -o ' /[a-z]* r[ow],[a-z,]*' /proc/self/mountinfo; echo x >/dev/null && echo null",
                root);
        close(root);
        shell("cd %s && test -e v/m/m && test -z \"$(ls -A v/run v/proc v/sys v/dev | grep -v :)\" && umount "
              "v/m && umount v",
              s->path);
        assert_begins(p.text, "/dev/null\n/proc/self/stat\n/sys/kernel\n755\nm\n /");
        assert_contains(p.text, " /proc rw,nosuid,nodev,noexec");
        assert_contains(p.text, " /sys ro,nosuid");
        assert_contains(p.text, " /run rw,nosuid,nodev");
        assert_contains(p.text, "\nnull\n");
}

/* Nor does a link lead to where they would be. */
static void a_volume_without_those_directories_gets_none(void **state) {
        Scratch *s = *state;
        int root = mount_volume(s, "proc elsewhere");
        shell("ln -s elsewhere %s/v/run", s->path);
        Printed p = run_shell("ls -A /elsewhere; echo /*; ls -d /proc/self/stat", root);
        close(root);
        shell("umount %s/v", s->path);
        assert_null(strstr(p.text, "/dev"));
        assert_null(strstr(p.text, "/sys"));
        assert_contains(p.text, "/bin /elsewhere ");
        assert_contains(p.text, "/proc/self/stat\n");
}

/* A child that waits to be killed; DEEP: with one of its own, which is in another session. */
static void fork_idle(int ready, bool deep) {
        if (fork() > 0)
                return;
        if (deep && fork() == 0)
                (void) setsid();
        (void) !write(ready, "x", 1);
        for (;;)
                pause();
}

static void assert_killed(unsigned n_children, unsigned n_deep, unsigned at_least, unsigned at_most) {
        int ready[2];
        char c;
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        for (unsigned i = 0; i < n_children; i++)
                fork_idle(ready[1], i < n_deep);
        for (unsigned i = 0; i < n_children + n_deep; i++)
                assert_int_equal(read(ready[0], &c, 1), 1);
        assert_in_range(descendants_kill(now_usec() + 5 * USEC_PER_SEC), at_least, at_most);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
        close(ready[0]);
        close(ready[1]);
}

/* Also those that become ours only when their parent dies: then there may be more at once. */
static void all_descendants_are_killed_and_counted(void **state) {
        assert_killed(0, 0, 0, 0);
        assert_killed(1, 0, 1, 1);
        assert_killed(3, 0, 3, 3);
        assert_killed(2, 2, 2, 4);
}

/* It did what it should. */
static void a_child_that_has_ended_by_itself_is_not_counted(void **state) {
        siginfo_t info;
        if (fork() == 0)
                _exit(0);
        assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
        assert_killed(0, 0, 0, 0);
}

static void killing_ends_when_its_time_is_over(void **state) {
        int ready[2];
        char c;
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        fork_idle(ready[1], false);
        assert_int_equal(read(ready[0], &c, 1), 1);
        assert_int_equal(descendants_kill(0), 1); /* killed, but not waited for */
        assert_true(waitpid(-1, NULL, 0) > 0);
        close(ready[0]);
        close(ready[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_environment_is_these_words_and_no_more),
                cmocka_unit_test(the_builder_is_at_the_root_with_nothing_to_read),
                cmocka_unit_test(the_builder_has_a_low_priority),
                cmocka_unit_test(a_low_limit_of_descriptors_stays),
                cmocka_unit_test(the_builder_has_a_session_of_its_own),
                cmocka_unit_test(the_builder_ends_by_the_signal_that_ends_it),
                scratch_test(what_cannot_be_started_is_told_and_leaves_nothing),
                scratch_test(a_builder_in_a_volume_sees_its_mounts_and_those_of_a_system),
                scratch_test(a_volume_without_those_directories_gets_none),
                cmocka_unit_test(all_descendants_are_killed_and_counted),
                cmocka_unit_test(a_child_that_has_ended_by_itself_is_not_counted),
                cmocka_unit_test(killing_ends_when_its_time_is_over),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
