/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/job.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/report.h"
#include "interpose.h"

/* So many reads of a pipe are interrupted by a signal. */
static int interrupts;

ssize_t read(int fd, void *buffer, size_t size) {
        if (interrupts > 0) {
                interrupts--;
                errno = EINTR;
                return -1;
        }
        return REAL(read)(fd, buffer, size);
}

/* What a child printed and how it exited. */
typedef struct Heard {
        char **lines;
        size_t n, bytes;
} Heard;

static void hear(const char *line, void *userdata) {
        Heard *h = userdata;
        h->n++;
        h->bytes += strlen(line);
        if (h->n <= 16)
                assert_int_equal(strv_extend(&h->lines, line), 0);
}

static void heard_done(Heard *h) {
        strv_free(h->lines);
}

static Job *sh(const char *script, int inherit) {
        char *argv[] = {(char *) "/bin/sh", (char *) "-c", (char *) (uintptr_t) script, NULL};
        Job *j = NULL;
        assert_int_equal(job_start(argv, inherit, &j), 0);
        return j;
}

static void await(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int r;
        while ((r = poll(&p, 1, 60000)) < 0)
                assert_int_equal(errno, EINTR);
        assert_int_equal(r, 1);
}

/* Reads until the child closed its stdout. */
static void listen_to_end(Job *j, Heard *h) {
        int r;
        do {
                await(job_get_output_fd(j));
                r = job_read(j, hear, h);
                assert_true(r >= 0);
        } while (r == 0);
}

static int status_of(Job *j) {
        int status = -1;
        await(job_get_process_fd(j));
        assert_int_equal(job_reap(j, &status), 0);
        return status;
}

static int run(const char *script, Heard *h) {
        _cleanup_(job_freep) Job *j = sh(script, -EBADF);
        listen_to_end(j, h);
        return status_of(j);
}

static void lines_come_one_by_one_and_in_order(void **state) {
        _cleanup_(heard_done) Heard h = {};
        assert_int_equal(run("echo one; echo 'two words'; echo; echo four", &h), 0);
        assert_int_equal(h.n, 4);
        assert_string_equal(h.lines[0], "one");
        assert_string_equal(h.lines[1], "two words");
        assert_string_equal(h.lines[2], "");
        assert_string_equal(h.lines[3], "four");
}

static int queued(const Job *j) {
        int n = -1;
        assert_int_equal(ioctl(job_get_output_fd(j), FIONREAD, &n), 0);
        return n;
}

static void line_in_pieces_is_one_line(void **state) {
        _cleanup_(heard_done) Heard h = {};
        int gate[2];
        assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
        _cleanup_(job_freep) Job *j =
                sh("echo zero; printf 'first ha'; read -r go <&3; echo lf; echo second", gate[0]);
        await(job_get_output_fd(j));
        while (queued(j) < (int) strlen("zero\nfirst ha"))
                (void) poll(NULL, 0, 1);
        assert_int_equal(job_read(j, hear, &h), 0);
        assert_int_equal(h.n, 1);
        assert_int_equal(write_all(gate[1], "go\n", 3), 0);
        listen_to_end(j, &h);
        assert_int_equal(status_of(j), 0);
        assert_int_equal(h.n, 3);
        assert_string_equal(h.lines[0], "zero");
        assert_string_equal(h.lines[1], "first half");
        assert_string_equal(h.lines[2], "second");
        close(gate[0]);
        close(gate[1]);
}

static void a_truncated_line_is_not_a_line(void **state) {
        _cleanup_(heard_done) Heard h = {};
        assert_int_equal(run("echo whole; printf 'RESULT fre'", &h), 0);
        assert_int_equal(h.n, 1);
        assert_string_equal(h.lines[0], "whole");
}

static void longest_line_is_taken_and_a_longer_one_dropped(void **state) {
        _cleanup_(heard_done) Heard h = {};
        char *script = NULL;
        assert_int_equal(strprintf(&script,
                                   "echo before; head -c %u /dev/zero | tr '\\0' x; echo;"
                                   "head -c %u /dev/zero | tr '\\0' y; echo;"
                                   "head -c 300000 /dev/zero | tr '\\0' z; echo; echo behind",
                                   REPORT_LINE_MAX - 1, REPORT_LINE_MAX),
                         0);
        _cleanup_(job_freep) Job *j = sh(script, -EBADF);
        listen_to_end(j, &h);
        bool cut = job_was_cut(j);
        assert_int_equal(status_of(j), 0);
        free(script);
        assert_int_equal(h.n, 3);
        assert_string_equal(h.lines[0], "before");
        assert_int_equal(strlen(h.lines[1]), REPORT_LINE_MAX - 1);
        assert_int_equal(h.lines[1][0], 'x');
        assert_string_equal(h.lines[2], "behind");
        assert_true(cut);
}

static void megabytes_of_output_arrive_complete_and_in_turns(void **state) {
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *j = sh("yes 0123456789abcdef | head -n 500000", -EBADF);
        size_t before, most = 0;
        int r;
        do {
                await(job_get_output_fd(j));
                before = h.bytes;
                r = job_read(j, hear, &h);
                most = MAX(most, h.bytes - before);
        } while (r == 0);
        assert_int_equal(r, 1);
        assert_int_equal(status_of(j), 0);
        assert_int_equal(h.n, 500000);
        assert_int_equal(h.bytes, 500000 * 16);
        assert_true(most <= 16 * REPORT_LINE_MAX); /* everybody else has a turn in between */
}

/* Sixteen times the maximum length of a line; the end is reported by the next call. */
static void one_turn_reads_so_much_and_no_more(void **state) {
        static const int all = 16 * (int) REPORT_LINE_MAX;
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *j = sh("sleep 0.1; yes 0123456789abcde | head -c 1048576", -EBADF);
        assert_true(fcntl(job_get_output_fd(j), F_SETPIPE_SZ, all) >= 0);
        assert_int_equal(status_of(j), 0);
        assert_int_equal(queued(j), all);
        assert_int_equal(job_read(j, hear, &h), 0);
        assert_int_equal(queued(j), 0);
        assert_int_equal(h.bytes, all / 16 * 15);
        assert_int_equal(job_read(j, hear, &h), 1);
}

static void pipe_that_cannot_be_read_is_an_error(void **state) {
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *j = sh("exit 0", -EBADF);
        int other = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(other >= 0);
        assert_int_equal(status_of(j), 0);
        assert_true(dup3(other, job_get_output_fd(j), O_CLOEXEC) >= 0);
        close(other);
        assert_int_equal(job_read(j, hear, &h), -EISDIR);
}

/* Its PID may belong to another process by then. */
static void its_descendants_are_not_killed_once_it_was_reaped(void **state) {
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *j = sh("sleep 1000 >/dev/null & echo $!; exit 0", -EBADF);
        listen_to_end(j, &h);
        assert_false(job_was_cut(j));
        assert_int_equal(status_of(j), 0);
        int pid = (int) strtol(h.lines[0], NULL, 10);
        assert_true(pid > 1);
        assert_int_equal(job_kill(j, SIGKILL), -ESRCH);
        assert_int_equal(kill(pid, 0), 0);
        (void) poll(NULL, 0, 50);
        char state_of[64], status;
        (void) snprintf(state_of, sizeof(state_of), "/proc/%i/stat", pid);
        FILE *f = fopen(state_of, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &status), 1);
        (void) fclose(f);
        assert_int_not_equal(status, 'Z');
        assert_int_equal(kill(pid, SIGKILL), 0);
}

static void bytes_of_any_kind_do_no_harm(void **state) {
        _cleanup_(heard_done) Heard h = {};
        assert_int_equal(
                run("printf 'a\\000b\\n\\377\\376\\n\\n'; head -c 200000 /dev/urandom; echo; echo last", &h),
                0);
        assert_true(h.n >= 4);
        assert_string_equal(h.lines[0], "a");
        assert_string_equal(h.lines[1], "\377\376");
}

static void exit_status_and_signal_are_distinguished(void **state) {
        static const struct {
                const char *script;
                int status;
        } ends[] = {
                {"exit 0", 0},
                {"exit 75", 75},
                {"exit 255", 255},
                {"kill -TERM $$", 128 + SIGTERM},
                {"kill -KILL $$", 128 + SIGKILL},
                {"ulimit -c 0; kill -SEGV $$", 128 + SIGSEGV},
        };
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                _cleanup_(heard_done) Heard h = {};
                assert_int_equal(run(ends[i].script, &h), ends[i].status);
        }
}

static void running_child_cannot_be_reaped_yet(void **state) {
        int status = -1;
        _cleanup_(job_freep) Job *j = sh("exec sleep 1000", -EBADF);
        assert_int_equal(job_reap(j, &status), -EAGAIN);
        assert_int_equal(status, -1);
        assert_int_equal(job_kill(j, SIGKILL), 0);
        assert_int_equal(status_of(j), 128 + SIGKILL);
}

static void nothing_is_killed_once_it_was_reaped(void **state) {
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *j = sh("exit 0", -EBADF);
        listen_to_end(j, &h);
        assert_int_equal(status_of(j), 0);
        assert_int_equal(job_kill(j, SIGKILL), -ESRCH);
        int status = -1;
        assert_int_equal(job_reap(j, &status), -ECHILD);
        assert_int_equal(status, -1);
}

static void read_that_is_interrupted_is_tried_again(void **state) {
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *j = sh("echo one; echo two", -EBADF);
        assert_int_equal(status_of(j), 0);
        interrupts = 3;
        assert_int_equal(job_read(j, hear, &h), 1);
        assert_int_equal(interrupts, 0);
        assert_int_equal(h.n, 2);
}

/* Success leaves errno as it was. */
static void a_stale_errno_is_not_taken_for_an_error(void **state) {
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *j = sh("echo one; echo two", -EBADF);
        assert_int_equal(status_of(j), 0);
        errno = EINTR;
        assert_int_equal(job_read(j, hear, &h), 1);
        assert_int_equal(h.n, 2);
}

static void descriptor_3_is_the_inherited_one(void **state) {
        const Scratch *s = *state;
        _cleanup_(heard_done) Heard h = {};
        scratch_write(s, "f", "from the file\n");
        int fd = openat(s->fd, "f", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        _cleanup_(job_freep) Job *j = sh("cat <&3", fd);
        listen_to_end(j, &h);
        assert_int_equal(status_of(j), 0);
        assert_int_equal(h.n, 1);
        assert_string_equal(h.lines[0], "from the file");
        close(fd);
}

static void descriptor_3_may_be_3_already(void **state) {
        const Scratch *s = *state;
        _cleanup_(heard_done) Heard h = {};
        scratch_write(s, "f", "from the file\n");
        int saved = fcntl(JOB_INHERITED_FD, F_DUPFD_CLOEXEC, 10); /* may be nothing */
        int fd = openat(s->fd, "f", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        if (fd != JOB_INHERITED_FD) {
                assert_int_equal(dup3(fd, JOB_INHERITED_FD, O_CLOEXEC), JOB_INHERITED_FD);
                close(fd);
        }
        _cleanup_(job_freep) Job *j = sh("cat <&3", JOB_INHERITED_FD);
        listen_to_end(j, &h);
        assert_int_equal(status_of(j), 0);
        assert_int_equal(h.n, 1);
        if (saved >= 0) {
                assert_int_equal(dup3(saved, JOB_INHERITED_FD, O_CLOEXEC), JOB_INHERITED_FD);
                close(saved);
        } else
                close(JOB_INHERITED_FD);
}

static void child_has_none_of_our_descriptors_and_reads_nothing(void **state) {
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *other = sh("exec sleep 1000", -EBADF);
        _cleanup_(job_freep) Job *j = sh("cat; exec ls -l /proc/self/fd", -EBADF);
        char pipe_of_other[64];
        struct stat st;
        bool saw_null = false;
        assert_int_equal(fstat(job_get_output_fd(other), &st), 0);
        (void) snprintf(pipe_of_other, sizeof(pipe_of_other), "pipe:[%lu]", (unsigned long) st.st_ino);
        listen_to_end(j, &h);
        assert_int_equal(status_of(j), 0);
        assert_int_equal(job_kill(other, SIGKILL), 0);
        assert_int_equal(status_of(other), 128 + SIGKILL);
        for (size_t i = 0; i < MIN(h.n, (size_t) 16); i++) {
                saw_null = saw_null || strstr(h.lines[i], " 0 -> /dev/null");
                assert_null(strstr(h.lines[i], "pidfd"));
                assert_null(strstr(h.lines[i], pipe_of_other));
        }
        assert_true(saw_null);
}

static void signals_are_reset_for_the_child(void **state) {
        sigset_t all, before;
        _cleanup_(heard_done) Heard h = {};
        sigfillset(&all);
        assert_int_equal(sigprocmask(SIG_BLOCK, &all, &before), 0);
        void (*pipe_handler)(int) = signal(SIGPIPE, SIG_IGN);
        _cleanup_(job_freep) Job *j = sh("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", -EBADF);
        (void) signal(SIGPIPE, pipe_handler);
        assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
        listen_to_end(j, &h);
        assert_int_equal(status_of(j), 0);
        assert_int_equal(h.n, 2);
        assert_string_equal(h.lines[0], "SigBlk:\t0000000000000000");
        /* except for two that libc keeps for itself */
        assert_non_null(startswith(h.lines[1], "SigIgn:\t"));
        assert_int_equal(strtoull(h.lines[1] + strlen("SigIgn:\t"), NULL, 16) & ~UINT64_C(0x180000000), 0);
}

static void killing_reaches_what_the_child_started(void **state) {
        _cleanup_(heard_done) Heard h = {};
        int pid = 0;
        _cleanup_(job_freep) Job *j = sh("sleep 1000 & echo $!; wait", -EBADF);
        while (h.n == 0) {
                await(job_get_output_fd(j));
                assert_int_equal(job_read(j, hear, &h), 0);
        }
        pid = (int) strtol(h.lines[0], NULL, 10);
        assert_true(pid > 1);
        assert_int_not_equal(getpgid(pid), getpgrp());
        assert_int_equal(getpgid(pid), job_get_pid(j));
        assert_int_equal(job_kill(j, SIGKILL), 0);
        assert_int_equal(status_of(j), 128 + SIGKILL);
        listen_to_end(j, &h); /* ends only when the grandchild is gone, too */
}

static void a_grandchild_that_keeps_the_pipe_open_delays_nobody(void **state) {
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *j = sh("sleep 1000 & echo $!; exit 7", -EBADF);
        assert_int_equal(status_of(j), 7);
        assert_int_equal(job_read_rest(j, hear, &h), 0); /* no end, and no waiting for one */
        assert_int_equal(h.n, 1);
        int pid = (int) strtol(h.lines[0], NULL, 10);
        assert_true(pid > 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
}

static void a_grandchild_that_never_stops_printing_delays_nobody(void **state) {
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *j = sh("sh -c 'echo $$; exec yes' & exit 0", -EBADF);
        assert_int_equal(status_of(j), 0);
        while (h.n == 0) {
                await(job_get_output_fd(j));
                assert_int_equal(job_read(j, hear, &h), 0);
        }
        assert_int_equal(job_read_rest(j, hear, &h), 0);
        int pid = 0;
        for (size_t i = 0; i < MIN(h.n, (size_t) 16) && pid == 0; i++)
                pid = (int) strtol(h.lines[i], NULL, 10);
        assert_true(pid > 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
}

static void child_that_closes_its_stdout_still_runs(void **state) {
        _cleanup_(heard_done) Heard h = {};
        _cleanup_(job_freep) Job *j = sh("echo said; exec >&-; exec sleep 1000", -EBADF);
        int status = -1;
        listen_to_end(j, &h);
        assert_int_equal(h.n, 1);
        assert_int_equal(job_reap(j, &status), -EAGAIN);
        assert_int_equal(job_kill(j, SIGTERM), 0);
        assert_int_equal(status_of(j), 128 + SIGTERM);
}

static void what_cannot_be_started_is_an_error(void **state) {
        const Scratch *s = *state;
        char *missing = NULL, *plain = NULL;
        Job *j = NULL;
        scratch_write(s, "plain", "not a program\n");
        assert_int_equal(strprintf(&missing, "%s/missing", s->path), 0);
        assert_int_equal(strprintf(&plain, "%s/plain", s->path), 0);
        assert_int_equal(job_start((char *[]){missing, NULL}, -EBADF, &j), -ENOENT);
        assert_int_equal(job_start((char *[]){plain, NULL}, -EBADF, &j), -EACCES);
        assert_int_equal(job_start((char *[]){missing, NULL}, 4711, &j), -EBADF);
        assert_null(j);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child was left */
        assert_int_equal(errno, ECHILD);
        free(missing);
        free(plain);
}

static int with_descriptors(rlim_t n, char *const *argv, Job **ret) {
        struct rlimit before;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){n, before.rlim_max}), 0);
        int r = job_start(argv, -EBADF, ret);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        return r;
}

static void without_descriptors_left_no_child_is_left_either(void **state) {
        char *argv[] = {(char *) "/bin/sleep", (char *) "1000", NULL};
        int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), failures = 0, r = -EMFILE;
        assert_true(lowest >= 0);
        close(lowest);
        /* none, half of a pipe, the pipe alone, … */
        for (rlim_t n = (rlim_t) lowest; r < 0; n++) {
                Job *j = NULL;
                r = with_descriptors(n, argv, &j);
                if (r < 0) {
                        assert_int_equal(r, -EMFILE);
                        assert_null(j);
                        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
                        failures++;
                } else {
                        assert_int_equal(job_kill(j, SIGKILL), 0);
                        assert_int_equal(status_of(j), 128 + SIGKILL);
                        job_free(j);
                }
                assert_true(failures < 100);
        }
        assert_true(failures >= 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lines_come_one_by_one_and_in_order),
                cmocka_unit_test(line_in_pieces_is_one_line),
                cmocka_unit_test(a_truncated_line_is_not_a_line),
                cmocka_unit_test(longest_line_is_taken_and_a_longer_one_dropped),
                cmocka_unit_test(megabytes_of_output_arrive_complete_and_in_turns),
                cmocka_unit_test(one_turn_reads_so_much_and_no_more),
                cmocka_unit_test(pipe_that_cannot_be_read_is_an_error),
                cmocka_unit_test(its_descendants_are_not_killed_once_it_was_reaped),
                cmocka_unit_test(bytes_of_any_kind_do_no_harm),
                cmocka_unit_test(exit_status_and_signal_are_distinguished),
                cmocka_unit_test(running_child_cannot_be_reaped_yet),
                cmocka_unit_test(nothing_is_killed_once_it_was_reaped),
                cmocka_unit_test(read_that_is_interrupted_is_tried_again),
                cmocka_unit_test(a_stale_errno_is_not_taken_for_an_error),
                scratch_test(descriptor_3_is_the_inherited_one),
                scratch_test(descriptor_3_may_be_3_already),
                cmocka_unit_test(child_has_none_of_our_descriptors_and_reads_nothing),
                cmocka_unit_test(signals_are_reset_for_the_child),
                cmocka_unit_test(killing_reaches_what_the_child_started),
                cmocka_unit_test(a_grandchild_that_keeps_the_pipe_open_delays_nobody),
                cmocka_unit_test(a_grandchild_that_never_stops_printing_delays_nobody),
                cmocka_unit_test(child_that_closes_its_stdout_still_runs),
                scratch_test(what_cannot_be_started_is_an_error),
                cmocka_unit_test(without_descriptors_left_no_child_is_left_either),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
