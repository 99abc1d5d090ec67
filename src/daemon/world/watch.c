/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/watch.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "base/parse.h"

/* Read from a growing queue, to make room: a full queue does not grow, and equal events in a row are merged
 * into one. */
#define BITE (4 * 1024)
/* With the default sysctl a full queue takes no more reads of the large buffer. A program that makes changes
 * faster than we read them must not keep us here. */
#define READS_MAX 256U

struct Watch {
        int fd;
        int edge; /* an epoll that reports each growth of the queue once; counting its length takes long */
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

/* Reads up to SIZE bytes of events. Returns how many, 0 if there are none. */
static int read_events(const Watch *w, char *buffer, size_t size) {
        for (;;) {
                ssize_t n = read(w->fd, buffer, size);
                if (n >= 0 || errno == EAGAIN)
                        return n < 0 ? 0 : (int) n;
                if (errno != EINTR)
                        return error_origin(-errno);
        }
}

/* Returns how many bytes were read. */
static int empty_queue(const Watch *w) {
        _Alignas(struct inotify_event) char buffer[64 * 1024];
        int size = 0;
        for (unsigned reads = 0; reads < READS_MAX; reads++) {
                int n = read_events(w, buffer, sizeof(buffer));
                if (n <= 0)
                        return n < 0 ? n : size;
                size += n;
        }
        return size;
}

/* Has the queue grown since we last asked? */
static int queue_has_grown(const Watch *w) {
        struct epoll_event event;
        int n = epoll_wait(w->edge, &event, 1, 0);
        return n < 0 && errno != EINTR ? error_origin(-errno)
                                       : n != 0; /* interrupted: yes, to be on the safe side */
}

/* Nothing arrived lately. What arrives while the queue is drained shows in its size. */
static int empty_still_queue(const Watch *w) {
        int queued;
        if (ioctl(w->fd, FIONREAD, &queued) < 0)
                return error_origin(-errno);
        int r = queue_has_grown(w);
        if (r != 0 || queued == 0)
                return r;
        int n = empty_queue(w);
        return n < 0 ? n : n != queued;
}

int watch_has_grown(Watch *w) {
        _Alignas(struct inotify_event) char buffer[BITE];
        int r = queue_has_grown(w);
        if (r == 0)
                return empty_still_queue(w);
        if (r < 0)
                return r;
        int n = read_events(w, buffer, sizeof(buffer));
        return n < 0 ? n : 1;
}

int watch_drain(Watch *w) {
        int n = empty_queue(w);
        return n < 0 ? n : 0;
}
