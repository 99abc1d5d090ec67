/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fdpass.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "fixture.h"

/* Somebody who listens, and somebody who may connect. */
typedef struct World {
        Scratch *s;
        char path[96];
        int listener;
} World;

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_int_equal(scratch_setup((void **) &w->s), 0);
        (void) snprintf(w->path, sizeof(w->path), "%s/socket", w->s->path);
        assert_int_equal(fdpass_listen(w->path, &w->listener), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;
        close(w->listener);
        int r = scratch_teardown((void **) &w->s);
        free(w);
        return r;
}

/* It connects before anybody accepts. */
static void descriptor_goes_from_one_to_the_other(void **state) {
        World *w = *state;
        struct stat sent, received;
        int fd = -EBADF;
        assert_int_equal(fdpass_send(w->path, w->s->fd), 0);
        assert_int_equal(fdpass_receive(w->listener, USEC_INFINITY / 2, &fd), 0);
        assert_true(fd >= 0 && fd != w->s->fd);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fstat(w->s->fd, &sent), 0);
        assert_int_equal(fstat(fd, &received), 0);
        assert_true(sent.st_ino == received.st_ino && sent.st_dev == received.st_dev);
        close(fd);
}

static void descriptor_zero_is_one(void **state) {
        World *w = *state;
        int fd = -EBADF;
        assert_int_equal(fdpass_send(w->path, 0), 0);
        assert_int_equal(fdpass_receive(w->listener, USEC_INFINITY / 2, &fd), 0);
        assert_true(fd >= 0);
        close(fd);
}

static void error_goes_in_its_place(void **state) {
        World *w = *state;
        int fd = 1000;
        assert_int_equal(fdpass_send(w->path, -ELOOP), 0);
        assert_int_equal(fdpass_receive(w->listener, USEC_INFINITY / 2, &fd), -ELOOP);
        assert_int_equal(fd, 1000);
}

static void nobody_is_waited_for_only_so_long(void **state) {
        World *w = *state;
        int fd = 1000;
        assert_int_equal(fdpass_receive(w->listener, 1, &fd), -ETIMEDOUT);
        assert_int_equal(fd, 1000);
}

static int connect_to(const World *w) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        memcpy(address.sun_path, w->path, strlen(w->path) + 1);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

static void who_says_nothing_is_not_waited_for(void **state) {
        World *w = *state;
        int fd = 1000, mute = connect_to(w);
        assert_int_equal(fdpass_receive(w->listener, 1, &fd), -ETIMEDOUT);
        close(mute);
        mute = connect_to(w);
        close(mute);
        assert_int_equal(fdpass_receive(w->listener, USEC_INFINITY / 2, &fd), -EBADMSG);
        assert_int_equal(fd, 1000);
}

static void garbage_is_not_taken(void **state) {
        static const struct {
                int32_t words[2];
                size_t size;
        } all[] = {{{0}, 4}, {{1}, 4}, {{0}, 3}, {{-1}, 2}, {{-ELOOP}, 0}};
        World *w = *state;
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                int fd = 1000, connection = connect_to(w);
                assert_int_equal(send(connection, all[i].words, all[i].size, 0), all[i].size);
                assert_int_equal(fdpass_receive(w->listener, USEC_INFINITY / 2, &fd), -EBADMSG);
                assert_int_equal(fd, 1000);
                close(connection);
        }
}

static void socket_is_ours_alone(void **state) {
        World *w = *state;
        struct stat st;
        assert_int_equal(stat(w->path, &st), 0);
        assert_int_equal(st.st_mode, S_IFSOCK | 0600);
        mode_t mask = umask(0022);
        assert_int_equal(mask, 0022); /* as it was */
}

static void another_user_is_refused(void **state) {
        World *w = *state;
        int fd = 1000, status;
        if (geteuid() != 0)
                skip();
        shell("chmod 711 %s && chmod 666 %s", w->s->path, w->path);
        pid_t pid = fork();
        if (pid == 0) {
                int r = setresuid(65534, 65534, 65534) < 0 ? -errno : fdpass_send(w->path, 0);
                _exit(r < 0 ? 1 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(fdpass_receive(w->listener, USEC_INFINITY / 2, &fd), -EPERM);
        assert_int_equal(fd, 1000);
}

static void what_stands_at_the_path_is_replaced(void **state) {
        World *w = *state;
        int listener = -EBADF, fd = -EBADF;
        assert_int_equal(fdpass_listen(w->path, &listener), 0);
        assert_int_equal(fdpass_send(w->path, w->s->fd), 0);
        assert_int_equal(fdpass_receive(listener, USEC_INFINITY / 2, &fd), 0);
        close(fd);
        close(listener);
        assert_int_equal(fdpass_send(w->path, 0), -ECONNREFUSED);
}

static void path_that_cannot_be_is_an_error(void **state) {
        char path[200];
        int listener = 1000;
        memset(path, 'x', sizeof(path));
        path[199] = 0;
        assert_int_equal(fdpass_listen(path, &listener), -ENAMETOOLONG);
        assert_int_equal(fdpass_send(path, 0), -ENAMETOOLONG);
        assert_int_equal(fdpass_listen("/nonexistent/socket", &listener), -ENOENT);
        assert_int_equal(fdpass_send("/nonexistent/socket", 0), -ENOENT);
        assert_int_equal(listener, 1000);
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(descriptor_goes_from_one_to_the_other),
                world_test(descriptor_zero_is_one),
                world_test(error_goes_in_its_place),
                world_test(nobody_is_waited_for_only_so_long),
                world_test(who_says_nothing_is_not_waited_for),
                world_test(garbage_is_not_taken),
                world_test(socket_is_ours_alone),
                world_test(another_user_is_refused),
                world_test(what_stands_at_the_path_is_replaced),
                cmocka_unit_test(path_that_cannot_be_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
