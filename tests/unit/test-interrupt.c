/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "interpose.h"

static bool sigprocmask_fails, signalfd_fails;

int sigprocmask(int how, const sigset_t *set, sigset_t *oset) {
        errno = ENOSYS;
        return sigprocmask_fails ? -1 : REAL(sigprocmask)(how, set, oset);
}

int signalfd(int fd, const sigset_t *mask, int flags) {
        errno = EMFILE;
        return signalfd_fails ? -1 : REAL(signalfd)(fd, mask, flags);
}

static bool is_readable(const Interrupt *i) {
        struct pollfd p = {.fd = interrupt_get_fd(i), .events = POLLIN};
        return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

static Interrupt *made(void) {
        Interrupt *i = NULL;
        assert_int_equal(interrupt_new(&i), 0);
        assert_non_null(i);
        return i;
}

static void each_request_to_end_is_noticed_and_remembered(void **state) {
        static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
        for (size_t k = 0; k < ELEMENTSOF(signals); k++) {
                _cleanup_(interrupt_freep) Interrupt *i = made();
                assert_false(is_readable(i));
                assert_false(interrupt_check(i));
                assert_false(interrupt_wished(i));
                assert_int_equal(raise(signals[k]), 0);
                assert_true(is_readable(i));
                assert_true(interrupt_check(i));
                assert_false(is_readable(i));
                assert_true(interrupt_check(i));
                assert_true(interrupt_wished(i));
        }
}

static void several_requests_are_one(void **state) {
        _cleanup_(interrupt_freep) Interrupt *i = made();
        assert_int_equal(raise(SIGTERM), 0);
        assert_int_equal(raise(SIGINT), 0);
        assert_true(interrupt_wished(i));
        assert_false(is_readable(i));
        _cleanup_(interrupt_freep) Interrupt *other = made();
        assert_false(interrupt_check(other));
}

static void other_signals_are_no_request(void **state) {
        sigset_t mask;
        (void) sigemptyset(&mask);
        assert_int_equal(REAL(sigprocmask)(SIG_SETMASK, &mask, NULL), 0);
        _unused_ _cleanup_(interrupt_freep) Interrupt *i = made();
        assert_int_equal(REAL(sigprocmask)(SIG_SETMASK, NULL, &mask), 0);
        for (int s = 1; s < SIGRTMIN; s++)
                assert_int_equal(sigismember(&mask, s), s == SIGTERM || s == SIGINT || s == SIGHUP);
}

static void a_program_that_is_started_does_not_get_the_descriptor(void **state) {
        _cleanup_(interrupt_freep) Interrupt *i = made();
        assert_int_equal(fcntl(interrupt_get_fd(i), F_GETFD), FD_CLOEXEC);
}

static void nothing_is_never_interrupted(void **state) {
        assert_false(interrupt_check(NULL));
        assert_false(interrupt_wished(NULL));
        assert_int_equal(interrupt_get_fd(NULL), -EBADF);
        assert_null(interrupt_free(NULL));
}

static void the_descriptor_ends_with_it(void **state) {
        Interrupt *i = made();
        int fd = interrupt_get_fd(i);
        assert_null(interrupt_free(i));
        assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void descriptor_of_somebody_else_interrupts_too(void **state) {
        for (unsigned how = 0; how < 3; how++) {
                int ends[2];
                Interrupt *i = NULL;
                assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
                assert_int_equal(interrupt_new_also_by(ends[0], &i), 0);
                assert_false(is_readable(i));
                assert_false(interrupt_check(i));
                if (how == 0)
                        assert_int_equal(raise(SIGTERM), 0);
                else if (how == 1)
                        assert_int_equal(write(ends[1], "x", 1), 1);
                else
                        close(ends[1]);
                assert_true(is_readable(i));
                assert_true(interrupt_check(i));
                assert_true(interrupt_check(i));
                assert_null(interrupt_free(i));
                assert_true(fcntl(ends[0], F_GETFD) >= 0); /* borrowed */
                close(ends[0]);
                if (how < 2)
                        close(ends[1]);
        }
        Interrupt *i = NULL;
        assert_int_equal(interrupt_new_also_by(1000, &i), -EBADF);
        assert_null(i);
}

static void what_cannot_be_made_is_reported(void **state) {
        Interrupt *i = NULL;
        sigprocmask_fails = true;
        assert_int_equal(interrupt_new(&i), -ENOSYS);
        sigprocmask_fails = false;
        signalfd_fails = true;
        assert_int_equal(interrupt_new(&i), -EMFILE);
        signalfd_fails = false;
        assert_null(i);
        assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0); /* no descriptor but its own was closed */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_request_to_end_is_noticed_and_remembered),
                cmocka_unit_test(several_requests_are_one),
                cmocka_unit_test(other_signals_are_no_request),
                cmocka_unit_test(a_program_that_is_started_does_not_get_the_descriptor),
                cmocka_unit_test(nothing_is_never_interrupted),
                cmocka_unit_test(the_descriptor_ends_with_it),
                cmocka_unit_test(descriptor_of_somebody_else_interrupts_too),
                cmocka_unit_test(what_cannot_be_made_is_reported),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
