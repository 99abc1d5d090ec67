/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals are checked for where a step ends and never acted on in the middle of one; that is why there is no
 * handler here. Code that waits polls the descriptor along with what it waits for. */

#include "base/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "base/error.h"

struct Interrupt {
        int fd;
        int also, both; /* another descriptor that interrupts, and an epoll(7) of the two; -EBADF: none */
        bool pending;
};

Interrupt *interrupt_free(Interrupt *i) {
        if (!i)
                return NULL;
        closep(&i->fd);
        closep(&i->both);
        free(i);
        return NULL;
}

int interrupt_new(Interrupt **ret) {
        assert(ret);
        _cleanup_(interrupt_freep) Interrupt *i = calloc(1, sizeof(*i));
        sigset_t mask;
        if (!i)
                return error_origin(-ENOMEM);
        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGHUP);
        i->fd = i->also = i->both = -EBADF;
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return error_origin(-errno);
        i->fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (i->fd < 0)
                return error_origin(-errno);
        *ret = TAKE_PTR(i);
        return 0;
}

int interrupt_new_also_by(int fd, Interrupt **ret) {
        assert(fd >= 0 && ret);
        _cleanup_(interrupt_freep) Interrupt *i = NULL;
        struct epoll_event event = {.events = EPOLLIN};
        int r = interrupt_new(&i);
        if (r < 0 || !i)
                return r;
        i->both = epoll_create1(EPOLL_CLOEXEC);
        if (i->both < 0 || epoll_ctl(i->both, EPOLL_CTL_ADD, i->fd, &event) < 0 ||
            epoll_ctl(i->both, EPOLL_CTL_ADD, fd, &event) < 0)
                return error_origin(-errno);
        i->also = fd;
        *ret = TAKE_PTR(i);
        return 0;
}

int interrupt_get_fd(const Interrupt *i) {
        if (!i)
                return -EBADF;
        return i->both >= 0 ? i->both : i->fd;
}

static bool is_readable(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        return poll(&p, 1, 0) > 0;
}

bool interrupt_check(Interrupt *i) {
        struct signalfd_siginfo info;
        if (!i)
                return false;
        while (read(i->fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
                i->pending = true;
        if (i->also >= 0 && is_readable(i->also))
                i->pending = true;
        return i->pending;
}

bool interrupt_wished(void *userdata) {
        return interrupt_check(userdata);
}
