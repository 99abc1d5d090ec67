/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/watch.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "base/parse.h"

/* Taken out of a queue that grows, to make room: a full queue does not grow, and equal events that follow
 * each other are one. */
#define BITE (4 * 1024)
/* A queue holds at most so many reads of the large buffer, as the sysctl is by default. Whoever changes
 * faster than we read must not keep us here. */
#define READS_MAX 256U

struct Watch {
        int fd;
        int edge; /* an epoll that tells once of each growth of the queue, whose length takes long to count */
};

int watch_new(Watch **ret) {
        _cleanup_(watch_freep) Watch *w = calloc(1, sizeof(*w));
        struct epoll_event growth = {.events = EPOLLIN | EPOLLET};
        if (!w)
                return error_origin(-ENOMEM);
        w->edge = -EBADF;
        w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (w->fd < 0)
                return error_origin(-errno);
        w->edge = epoll_create1(EPOLL_CLOEXEC);
        if (w->edge < 0 || epoll_ctl(w->edge, EPOLL_CTL_ADD, w->fd, &growth) < 0)
                return error_origin(-errno);
        *ret = TAKE_PTR(w);
        return 0;
}

Watch *watch_free(Watch *w) {
        if (w) {
                closep(&w->edge);
                closep(&w->fd);
        }
        free(w);
        return NULL;
}

uint64_t watch_instances_max(void) {
        uint64_t n = 0;
        (void) parse_file_u64("/proc/sys/fs/inotify/max_user_instances", &n);
        return n;
}

int watch_get_fd(const Watch *w) {
        return w->fd;
}

/* Reads up to SIZE bytes of events: how many, 0 if there are none. */
static int take(const Watch *w, char *buffer, size_t size) {
        for (;;) {
                ssize_t n = read(w->fd, buffer, size);
                if (n >= 0 || errno == EAGAIN)
                        return n < 0 ? 0 : (int) n;
                if (errno != EINTR)
                        return error_origin(-errno);
        }
}

/* Returns how many bytes were there, as far as we read. */
static int empty(const Watch *w) {
        _Alignas(struct inotify_event) char buffer[64 * 1024];
        int size = 0;
        for (unsigned reads = 0; reads < READS_MAX; reads++) {
                int n = take(w, buffer, sizeof(buffer));
                if (n <= 0)
                        return n < 0 ? n : size;
                size += n;
        }
        return size;
}

/* Has the queue grown since we last asked? */
static int has_grown(const Watch *w) {
        struct epoll_event event;
        int n = epoll_wait(w->edge, &event, 1, 0);
        return n < 0 && errno != EINTR ? error_origin(-errno)
                                       : n != 0; /* interrupted: yes, to be on the safe side */
}

/* Nothing came of late. What comes from now on, while it is emptied, shows by its size. */
static int empty_still_queue(const Watch *w) {
        int queued;
        if (ioctl(w->fd, FIONREAD, &queued) < 0)
                return error_origin(-errno);
        int r = has_grown(w);
        if (r != 0 || queued == 0)
                return r;
        int n = empty(w);
        return n < 0 ? n : n != queued;
}

int watch_look(Watch *w) {
        _Alignas(struct inotify_event) char buffer[BITE];
        int r = has_grown(w);
        if (r == 0)
                return empty_still_queue(w);
        if (r < 0)
                return r;
        int n = take(w, buffer, sizeof(buffer));
        return n < 0 ? n : 1;
}

int watch_drain(Watch *w) {
        int n = empty(w);
        return n < 0 ? n : 0;
}
