/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fdpass.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"

static int make_address(const char *path, struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        size_t size = strlen(path) + 1;
        if (size > sizeof(ret->sun_path))
                return error_origin(-ENAMETOOLONG);
        memcpy(ret->sun_path, path, size);
        return 0;
}

static int make_socket(int *ret) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return error_origin(-errno);
        *ret = fd;
        return 0;
}

int fdpass_listen(const char *path, int *ret_fd) {
        assert(path && ret_fd);
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        int r = make_address(path, &address);
        if (r >= 0)
                r = make_socket(&fd);
        if (r < 0)
                return r;
        (void) unlink(path);
        mode_t mask = umask(0177);
        r = bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ? -errno : 0;
        (void) umask(mask);
        if (r >= 0 && listen(fd, 1) < 0)
                r = -errno;
        if (r < 0)
                return error_origin(r);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Until FD is readable or END. */
static int await_readable(int fd, uint64_t end) {
        for (;;) {
                uint64_t now = now_usec();
                struct pollfd p = {.fd = fd, .events = POLLIN};
                int left = now >= end ? 0 : (int) MIN((end - now) / USEC_PER_MSEC + 1, (uint64_t) INT32_MAX);
                int n = poll(&p, 1, left);
                if (n < 0 && errno != EINTR)
                        return error_origin(-errno);
                if (n > 0)
                        return 0;
                if (n == 0 && left == 0)
                        return error_origin(-ETIMEDOUT);
        }
}

static int check_peer(int fd) {
        struct ucred peer;
        socklen_t size = sizeof(peer);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return error_origin(-errno);
        return peer.uid == geteuid() ? 0 : error_origin(-EPERM);
}

typedef union FdBuffer {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
} FdBuffer;

static int descriptor_of(struct msghdr *m) {
        const struct cmsghdr *c = CMSG_FIRSTHDR(m);
        int fd = -EBADF;
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len == CMSG_LEN(sizeof(fd)))
                memcpy(&fd, CMSG_DATA(c), sizeof(fd));
        return fd;
}

/* What is sent with it says whether there is one. */
static int receive_message(int connection, int *ret_fd) {
        int32_t result = 0;
        FdBuffer control = {};
        struct iovec data = {.iov_base = &result, .iov_len = sizeof(result)};
        struct msghdr m = {.msg_iov = &data,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(connection, &m, MSG_CMSG_CLOEXEC);
        if (n < 0)
                return error_origin(-errno);
        _cleanup_close_ int fd = descriptor_of(&m);
        if (n != sizeof(result) || result > 0 || (result == 0 && fd < 0))
                return error_origin(-EBADMSG);
        if (result == 0)
                *ret_fd = TAKE_FD(fd);
        return result;
}

int fdpass_accept(int listener, int *ret_fd) {
        assert(listener >= 0 && ret_fd);
        struct sockaddr_un peer;
        socklen_t size = sizeof(peer);
        _cleanup_close_ int connection = accept4(listener, (struct sockaddr *) &peer, &size, SOCK_CLOEXEC);
        if (connection < 0)
                return error_origin(-errno);
        int r = check_peer(connection);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(connection);
        return 0;
}

int fdpass_receive(int listener, uint64_t timeout_usec, int *ret_fd) {
        assert(listener >= 0 && ret_fd);
        uint64_t end = now_usec() + timeout_usec;
        int r = await_readable(listener, end);
        if (r < 0)
                return r;
        _cleanup_close_ int connection = -EBADF;
        r = fdpass_accept(listener, &connection);
        if (r >= 0)
                r = await_readable(connection, end);
        return r < 0 ? r : receive_message(connection, ret_fd);
}

static int send_message(int connection, int result) {
        int32_t told = MIN(result, 0);
        FdBuffer control = {};
        struct iovec data = {.iov_base = &told, .iov_len = sizeof(told)};
        struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
        if (result >= 0) {
                m.msg_control = &control;
                m.msg_controllen = sizeof(control);
                struct cmsghdr *c = CMSG_FIRSTHDR(&m);
                assert(c);
                *c = (struct cmsghdr){
                        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
                memcpy(CMSG_DATA(c), &result, sizeof(int));
        }
        return sendmsg(connection, &m, MSG_NOSIGNAL) < 0 ? error_origin(-errno) : 0;
}

int fdpass_connect(const char *path, int *ret_fd) {
        assert(path && ret_fd);
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        int r = make_address(path, &address);
        if (r >= 0)
                r = make_socket(&fd);
        if (r >= 0 && connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                r = error_origin(-errno);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int fdpass_send(const char *path, int result) {
        _cleanup_close_ int fd = -EBADF;
        int r = fdpass_connect(path, &fd);
        return r < 0 ? r : send_message(fd, result);
}
