/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/usage.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "scratch.h"

#define BURNT_USEC (100 * USEC_PER_MSEC)
#define SHOWN_USEC (60 * USEC_PER_MSEC) /* the kernel shows whole ticks */

static void burn(void) {
        struct timespec used;
        do
                assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
        while ((uint64_t) used.tv_sec * USEC_PER_SEC + (uint64_t) used.tv_nsec / 1000 < BURNT_USEC);
}

static pid_t fork_one(void) {
        (void) fflush(stdout);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        return pid;
}

static void *burn_in_child(void *unused) {
        siginfo_t info;
        pid_t pid = fork_one();
        if (pid == 0) {
                burn();
                (void) raise(SIGSTOP);
                _exit(0);
        }
        assert_int_equal(waitid(P_PID, (id_t) pid, &info, WSTOPPED), 0);
        assert_int_equal(kill(getpid(), SIGSTOP), 0);
        for (;;) /* the child would end with this thread */
                (void) pause();
        return unused;
}

static void do_nothing(const char *path) {
}

static void burn_oneself(const char *path) {
        burn();
}

static void have_child_burn(const char *path) {
        pid_t pid = fork_one();
        if (pid == 0) {
                burn();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Whose parent is not the first thread. */
static void have_child_of_thread_burn(const char *path) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, burn_in_child, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0); /* never: it stops all of us */
}

static void write_much(const char *path) {
        static char bytes[1 << 20] = "x";
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
        assert_int_equal(fsync(fd), 0);
        close(fd);
}

/* What a child that has done this, and stopped, has used. */
static Usage usage_after(const Scratch *s, void (*act)(const char *path)) {
        char path[128];
        (void) snprintf(path, sizeof(path), "%s/file", s->path);
        pid_t pid = fork_one();
        if (pid == 0) {
                act(path);
                (void) raise(SIGSTOP);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
        Usage usage = usage_of_tree(pid);
        (void) snprintf(path, sizeof(path), "%s/io", s->path);
        shell("cp /proc/%i/io %s", pid, path);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        return usage;
}

static void processors_that_are_used_count_whoever_uses_them(void **state) {
        assert_true(usage_after(*state, do_nothing).cpu_usec < SHOWN_USEC);
        assert_true(usage_after(*state, burn_oneself).cpu_usec >= SHOWN_USEC);
        assert_true(usage_after(*state, have_child_burn).cpu_usec >= SHOWN_USEC);
        assert_true(usage_after(*state, have_child_of_thread_burn).cpu_usec >= SHOWN_USEC);
}

static void what_disks_are_given_counts(void **state) {
        const Scratch *s = *state;
        Usage usage = usage_after(s, write_much);
        char path[128];
        (void) snprintf(path, sizeof(path), "%s/io", s->path);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        char name[64];
        unsigned long long n, expected = 0;
        while (fscanf(f, "%63s %llu", name, &n) == 2)
                expected += streq(name, "read_bytes:") || streq(name, "write_bytes:") ? n : 0;
        (void) fclose(f);
        assert_int_equal(usage.io_bytes, expected);
        print_message("%llu bytes were counted\n", expected); /* none on a tmpfs */
}

static void one_that_is_gone_has_used_nothing(void **state) {
        pid_t pid = fork_one();
        if (pid == 0)
                _exit(0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        Usage usage = usage_of_tree(pid);
        assert_true(usage.cpu_usec == 0 && usage.io_bytes == 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(processors_that_are_used_count_whoever_uses_them,
                                                scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(what_disks_are_given_counts, scratch_setup, scratch_teardown),
                cmocka_unit_test(one_that_is_gone_has_used_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
