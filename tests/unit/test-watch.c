/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/watch.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "interpose.h"

/* What the next calls of the kernel do; 0 and NULL: what they always do. */
static struct {
        int read_error, interrupts, ioctl_error, epoll_error;
        const Scratch *change_after_count; /* a file is made there once the length of the queue is known */
} world;

static bool fails(int error) {
        errno = error;
        return error > 0;
}

ssize_t read(int fd, void *buffer, size_t size) {
        if (world.interrupts > 0 && world.interrupts-- > 0 && fails(EINTR))
                return -1;
        return fails(world.read_error) ? -1 : REAL(read)(fd, buffer, size);
}

int ioctl(int fd, unsigned long request, ...) {
        va_list ap;
        va_start(ap, request);
        int *n = va_arg(ap, int *);
        va_end(ap);
        if (fails(world.ioctl_error))
                return -1;
        int r = REAL(ioctl)(fd, request, n);
        const Scratch *s = world.change_after_count;
        world.change_after_count = NULL;
        if (s)
                scratch_write(s, "meanwhile", "");
        return r;
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout) {
        return fails(world.epoll_error) ? -1 : REAL(epoll_wait)(fd, events, max, timeout);
}

/* Arms the scratch folder, as bootkeep-scan would. */
static Watch *armed(const Scratch *s) {
        Watch *w = NULL;
        assert_int_equal(watch_new(&w), 0);
        assert_true(inotify_add_watch(watch_get_fd(w), s->path, IN_CREATE | IN_ATTRIB) >= 0);
        return w;
}

static bool is_readable(const Watch *w) {
        struct pollfd p = {.fd = watch_get_fd(w), .events = POLLIN};
        assert_true(poll(&p, 1, 0) >= 0);
        return p.revents & POLLIN;
}

static size_t queue_limit(void) {
        unsigned limit = 0;
        FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%u", &limit), 1);
        (void) fclose(f);
        return limit;
}

/* Two files in turn: equal events that follow each other would be one. */
static void touch_in_turn(const Scratch *s, size_t times) {
        static const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
        for (size_t i = 0; i < times; i++)
                assert_int_equal(utimensat(s->fd, i % 2 ? "a" : "b", now, 0), 0);
}

static void make_two_files(const Scratch *s) {
        scratch_write(s, "a", "");
        scratch_write(s, "b", "");
}

static void a_quiet_watch_is_not_readable_and_reports_nothing(void **state) {
        _cleanup_(watch_freep) Watch *w = armed(*state);
        assert_false(is_readable(w));
        assert_int_equal(watch_has_grown(w), 0);
        assert_int_equal(watch_drain(w), 0);
        assert_int_equal(watch_has_grown(w), 0);
}

static void each_change_is_reported_once(void **state) {
        const Scratch *s = *state;
        _cleanup_(watch_freep) Watch *w = armed(s);
        for (int i = 0; i < 3; i++) {
                scratch_write(s, (char[]){(char) ('a' + i), 0}, "");
                assert_true(is_readable(w));
                assert_int_equal(watch_has_grown(w), 1);
                assert_int_equal(watch_has_grown(w), 0);
        }
}

/* The kernel merges equal events that follow each other, while the first is in the queue. */
static void equal_changes_are_reported_each_time(void **state) {
        const Scratch *s = *state;
        make_two_files(s);
        _cleanup_(watch_freep) Watch *w = armed(s);
        for (int i = 0; i < 3; i++) {
                touch_in_turn(s, 1);
                assert_int_equal(watch_has_grown(w), 1);
        }
        touch_in_turn(s, 1000); /* more than one call drains */
        touch_in_turn(s, 1);
        assert_int_equal(watch_has_grown(w), 1);
        assert_int_equal(watch_has_grown(w), 0);
        touch_in_turn(s, 1);
        assert_int_equal(watch_has_grown(w), 1);
}

static void drain_empties_the_queue_and_later_events_are_reported(void **state) {
        const Scratch *s = *state;
        _cleanup_(watch_freep) Watch *w = armed(s);
        scratch_write(s, "a", "");
        scratch_write(s, "b", "");
        assert_int_equal(watch_drain(w), 0);
        assert_false(is_readable(w));
        assert_int_equal(watch_has_grown(w), 0);
        /* as long as the queue before the last call, if the length were not forgotten */
        scratch_write(s, "c", "");
        assert_int_equal(watch_has_grown(w), 1);
        assert_int_equal(watch_drain(w), 0);
        scratch_write(s, "d", "");
        assert_int_equal(watch_has_grown(w), 1);
}

static void a_storm_that_fills_the_queue_is_reported_while_it_lasts(void **state) {
        const Scratch *s = *state;
        size_t limit = queue_limit();
        if (limit > 200000)
                skip(); /* somebody raised it beyond what a test should write */
        make_two_files(s);
        _cleanup_(watch_freep) Watch *w = armed(s);
        touch_in_turn(s, limit + 100);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(watch_has_grown(w), 1);
                touch_in_turn(s, 1000); /* fills it again */
        }
        assert_int_equal(watch_has_grown(w), 1);
        touch_in_turn(s, 2); /* one of them is not equal to the last in the queue */
        assert_int_equal(watch_has_grown(w), 1);
        assert_int_equal(watch_has_grown(w), 0);
        assert_false(is_readable(w));
        touch_in_turn(s, 1);
        assert_int_equal(watch_has_grown(w), 1);
}

static void drain_empties_a_full_queue(void **state) {
        const Scratch *s = *state;
        size_t limit = queue_limit();
        make_two_files(s);
        _cleanup_(watch_freep) Watch *w = armed(s);
        touch_in_turn(s, MIN(limit, (size_t) 16384) + 100);
        assert_int_equal(watch_drain(w), 0);
        assert_false(is_readable(w));
        assert_int_equal(watch_has_grown(w), 0);
}

static void lost_directory_is_an_event(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "sub/f", "");
        _cleanup_(watch_freep) Watch *w = NULL;
        assert_int_equal(watch_new(&w), 0);
        char *sub = NULL;
        assert_int_equal(strprintf(&sub, "%s/sub", s->path), 0);
        assert_true(inotify_add_watch(watch_get_fd(w), sub, IN_DELETE_SELF) >= 0);
        free(sub);
        shell("rm -r %s/sub", s->path);
        assert_int_equal(watch_has_grown(w), 1);
}

static void without_a_descriptor_left_it_says_so(void **state) {
        struct rlimit before;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        Watch *w = NULL;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, before.rlim_max}), 0);
        int r = watch_new(&w);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(r, -EMFILE);
        assert_null(w);
}

static void an_interrupted_read_is_tried_again(void **state) {
        const Scratch *s = *state;
        _cleanup_(watch_freep) Watch *w = armed(s);
        scratch_write(s, "a", "");
        world.interrupts = 3;
        assert_int_equal(watch_has_grown(w), 1);
        assert_int_equal(world.interrupts, 0);
        assert_false(is_readable(w));
}

static void errors_of_the_kernel_are_returned(void **state) {
        const Scratch *s = *state;
        _cleanup_(watch_freep) Watch *w = armed(s);
        world.ioctl_error = EIO;
        int counted = watch_has_grown(w);
        world.ioctl_error = 0;
        world.epoll_error = EBADF;
        int asked = watch_has_grown(w);
        world.epoll_error = EINTR;
        int interrupted = watch_has_grown(w);
        world.epoll_error = 0;
        scratch_write(s, "a", "");
        world.read_error = EIO;
        int taken = watch_has_grown(w), drained = watch_drain(w), still = watch_has_grown(w);
        world.read_error = 0;
        assert_int_equal(counted, -EIO);
        assert_int_equal(asked, -EBADF);
        assert_int_equal(interrupted, 1); /* to be on the safe side */
        assert_int_equal(taken, -EIO);
        assert_int_equal(drained, -EIO);
        assert_int_equal(still, -EIO);
        assert_int_equal(watch_drain(w), 0);
}

/* An event that joins a queue which is being drained is not lost. */
static void a_change_while_the_queue_is_drained_is_reported(void **state) {
        const Scratch *s = *state;
        make_two_files(s);
        _cleanup_(watch_freep) Watch *w = armed(s);
        touch_in_turn(s, 1000); /* more than is taken at once */
        assert_int_equal(watch_has_grown(w), 1);
        world.change_after_count = s;
        assert_int_equal(watch_has_grown(w), 1);
        assert_null(world.change_after_count);
        assert_int_equal(watch_drain(w), 0);
}

static void the_limit_of_instances_is_that_of_the_kernel(void **state) {
        unsigned limit = 0;
        FILE *f = fopen("/proc/sys/fs/inotify/max_user_instances", "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%u", &limit), 1);
        (void) fclose(f);
        assert_int_equal(watch_instances_max(), limit);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(a_quiet_watch_is_not_readable_and_reports_nothing),
                scratch_test(each_change_is_reported_once),
                scratch_test(equal_changes_are_reported_each_time),
                scratch_test(drain_empties_the_queue_and_later_events_are_reported),
                scratch_test(a_storm_that_fills_the_queue_is_reported_while_it_lasts),
                scratch_test(drain_empties_a_full_queue),
                scratch_test(lost_directory_is_an_event),
                scratch_test(without_a_descriptor_left_it_says_so),
                scratch_test(an_interrupted_read_is_tried_again),
                scratch_test(errors_of_the_kernel_are_returned),
                scratch_test(a_change_while_the_queue_is_drained_is_reported),
                cmocka_unit_test(the_limit_of_instances_is_that_of_the_kernel),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
