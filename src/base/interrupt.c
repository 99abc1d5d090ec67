/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals are checked for where a step ends and never acted on in the middle of one; that is why there is no
 * handler here. Code that waits polls the descriptor along with what it waits for. */

#include "base/interrupt.h"

#include <signal.h>
#include <sys/signalfd.h>

#include "base/error.h"

struct Interrupt {
        int fd;
        bool pending;
};

Interrupt *interrupt_free(Interrupt *i) {
        if (!i)
                return NULL;
        closep(&i->fd);
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
        i->fd = -EBADF;
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return error_origin(-errno);
        i->fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (i->fd < 0)
                return error_origin(-errno);
        *ret = TAKE_PTR(i);
        return 0;
}

int interrupt_get_fd(const Interrupt *i) {
        return i ? i->fd : -EBADF;
}

bool interrupt_check(Interrupt *i) {
        struct signalfd_siginfo info;
        if (!i)
                return false;
        while (read(i->fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
                i->pending = true;
        return i->pending;
}

bool interrupt_wished(void *userdata) {
        return interrupt_check(userdata);
}
