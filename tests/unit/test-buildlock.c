/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "builder/buildlock.h"
#include "interpose.h"

/* What happens to system calls made from here, and by the child that waits. */
typedef struct World {
        int try_error, wait_error, poll_error;
        unsigned n_interrupted; /* this many calls first */
} World;

static World world;

static bool call_fails(int error) {
        errno = world.n_interrupted > 0 ? EINTR : error;
        if (world.n_interrupted > 0)
                world.n_interrupted--;
        return errno != 0;
}

int flock(int fd, int operation) {
        if (operation & LOCK_NB ? (errno = world.try_error) != 0 : call_fails(world.wait_error))
                return -1;
        return REAL(flock)(fd, operation);
}

int poll(struct pollfd *fds, nfds_t nfds, int timeout) {
        return call_fails(world.poll_error) ? -1 : REAL(poll)(fds, nfds, timeout);
}

/* Another process that holds the lock of FD's file until it is told to exit, or killed. */
typedef struct Holder {
        pid_t pid;
        int release;
        unsigned n_waits;
} Holder;

static int open_lock(const Scratch *s) {
        int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static Holder start_holder(const Scratch *s) {
        int locked[2], release[2];
        char c;

        assert_int_equal(pipe2(locked, O_CLOEXEC), 0);
        assert_int_equal(pipe2(release, O_CLOEXEC), 0);
        Holder h = {.pid = fork(), .release = release[1]};
        assert_true(h.pid >= 0);
        if (h.pid == 0) {
                close(release[1]);
                int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                bool good = fd >= 0 && flock(fd, LOCK_EX) >= 0 && write(locked[1], "x", 1) == 1;
                _exit(good && read(release[0], &c, 1) >= 0 ? 0 : 1);
        }
        close(release[0]);
        close(locked[1]);
        assert_int_equal(read(locked[0], &c, 1), 1);
        close(locked[0]);
        return h;
}

static void end_holder(Holder *h) {
        close(h->release);
        assert_int_equal(waitpid(h->pid, NULL, 0), h->pid);
}

static void let_go(void *userdata) {
        Holder *h = userdata;
        h->n_waits++;
        assert_int_equal(write(h->release, "x", 1), 1);
}

static void let_go_at_the_second_time(void *userdata) {
        Holder *h = userdata;
        if (++h->n_waits == 2)
                assert_int_equal(write(h->release, "x", 1), 1);
}

static void ask_to_end(void *userdata) {
        Holder *h = userdata;
        h->n_waits++;
        assert_int_equal(kill(getpid(), SIGTERM), 0);
}

static bool is_locked(const Scratch *s) {
        int fd = open_lock(s);
        bool locked = flock(fd, LOCK_EX | LOCK_NB) < 0;
        close(fd);
        return locked;
}

static void a_free_lock_is_taken_without_waiting(void **state) {
        Scratch *s = *state;
        Holder none = {.release = -EBADF};
        int fd = open_lock(s);

        assert_int_equal(buildlock_take(fd, &(Patience){NULL, let_go, &none}), 0);
        assert_int_equal(none.n_waits, 0);
        assert_true(is_locked(s));
        close(fd);
        assert_false(is_locked(s));
}

static void a_lock_that_was_waited_for_is_ours(void **state) {
        Scratch *s = *state;
        Holder h = start_holder(s);
        int fd = open_lock(s);

        assert_int_equal(buildlock_take(fd, &(Patience){NULL, let_go, &h}), 0);
        assert_int_equal(h.n_waits, 1);
        end_holder(&h);
        assert_true(is_locked(s)); /* by us; the child that waited is gone */
        close(fd);
        assert_false(is_locked(s));
}

/* Otherwise a build that waits for long would count as hung. */
static void a_waiter_gives_signs_of_life(void **state) {
        Scratch *s = *state;
        Holder h = start_holder(s);
        int fd = open_lock(s);

        assert_int_equal(buildlock_take(fd, &(Patience){NULL, let_go_at_the_second_time, &h}), 0);
        assert_int_equal(h.n_waits, 2);
        end_holder(&h);
        close(fd);
}

static void sigterm_ends_the_wait(void **state) {
        Scratch *s = *state;
        Interrupt *interrupt = NULL;
        Holder h = start_holder(s);
        int fd = open_lock(s);

        assert_int_equal(interrupt_new(&interrupt), 0);
        assert_int_equal(buildlock_take(fd, &(Patience){interrupt, ask_to_end, &h}), -EINTR);
        close(fd);
        end_holder(&h);
        assert_false(is_locked(s));
        (void) interrupt_free(interrupt);
}

static int take_while_held(const Scratch *s, World meanwhile) {
        Holder h = start_holder(s);
        int fd = open_lock(s);
        world = meanwhile;
        int r = buildlock_take(fd, &(Patience){NULL, let_go_at_the_second_time, &h});
        memset(&world, 0, sizeof(world));
        close(fd);
        end_holder(&h);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody waits on */
        return r;
}

static void what_cannot_be_locked_is_an_error(void **state) {
        Scratch *s = *state;
        assert_int_equal(take_while_held(s, (World){.try_error = ENOLCK}), -ENOLCK);
        assert_int_equal(take_while_held(s, (World){.wait_error = EDEADLK}), -ENOLCK);
        assert_int_equal(take_while_held(s, (World){.poll_error = ENOMEM}), -EIO);
}

static void a_wait_that_is_interrupted_goes_on(void **state) {
        assert_int_equal(take_while_held(*state, (World){.n_interrupted = 3}), 0);
}

/* The file, opened by its own function, whoever created it. */
static void only_root_may_open_the_file(void **state) {
        Scratch *s = *state;
        struct stat st;

        for (unsigned i = 0; i < 2; i++) {
                int fd = -EBADF;
                assert_int_equal(buildlock_open(s->fd, &fd), 0);
                assert_int_equal(fstat(fd, &st), 0);
                assert_int_equal(st.st_mode, S_IFREG | 0600);
                close(fd);
        }
}

static void only_a_regular_file_is_opened(void **state) {
        Scratch *s = *state;
        int fd = -EBADF;

        assert_int_equal(mkfifoat(s->fd, "lock", 0600), 0);
        assert_int_equal(buildlock_open(s->fd, &fd), -EINVAL);
        assert_int_equal(unlinkat(s->fd, "lock", 0), 0);
        assert_int_equal(symlinkat("elsewhere", s->fd, "lock"), 0);
        assert_int_equal(buildlock_open(s->fd, &fd), -ELOOP);
        assert_int_not_equal(faccessat(s->fd, "elsewhere", F_OK, 0), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(a_free_lock_is_taken_without_waiting),
                scratch_test(a_lock_that_was_waited_for_is_ours),
                scratch_test(a_waiter_gives_signs_of_life),
                scratch_test(sigterm_ends_the_wait),
                scratch_test(what_cannot_be_locked_is_an_error),
                scratch_test(a_wait_that_is_interrupted_goes_on),
                scratch_test(only_root_may_open_the_file),
                scratch_test(only_a_regular_file_is_opened),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
