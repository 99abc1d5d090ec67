/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel opens what it tells of, for us: after the first event of an object an ignore mark is put on it,
 * so that what is opened a thousand times costs once. Marks do not keep inodes (FAN_MARK_EVICTABLE): what a
 * builder removes is gone, and what is told again is known already.
 *
 * Paths are as /proc/self/fd shows them. What lies before the path within the volume depends on where the
 * clone is attached at that moment, which ends with the builder's namespace; so it is asked each time. */

#include "builder/run/learner.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/fanotify.h>

#include "base/error.h"
#include "builder/run/inodeset.h"

#ifndef FAN_MARK_IGNORE
#define FAN_MARK_IGNORE 0x00000400
#endif
#ifndef FAN_MARK_EVICTABLE
#define FAN_MARK_EVICTABLE 0x00000200
#endif

/* Each event comes with a descriptor: few at once, whatever our limit is, because what the kernel cannot open
 * for us is not told. */
#define EVENTS_AT_ONCE 64U
#define BATCHES_AT_ONCE 32U

#define OPENED (FAN_OPEN | FAN_OPEN_EXEC)

struct Learner {
        int fanotify, tree;
        Trace *trace;
        InodeSet seen;
};

Learner *learner_free(Learner *learner) {
        if (!learner)
                return NULL;
        closep(&learner->fanotify);
        inodeset_done(&learner->seen);
        free(learner);
        return NULL;
}

int learner_new(int tree, Trace *trace, Learner **ret) {
        assert(tree >= 0 && trace && ret);
        _cleanup_(learner_freep) Learner *learner = calloc(1, sizeof(*learner));
        if (!learner)
                return error_origin(-ENOMEM);
        /* only to be read; O_NONBLOCK: a fifo must not hold us up; O_NOATIME: nor do we leave traces of our
         * own */
        learner->fanotify = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_MARKS,
                                          O_CLOEXEC | O_NONBLOCK | O_LARGEFILE | O_NOATIME);
        if (learner->fanotify < 0)
                return error_origin(-errno);
        learner->tree = tree;
        learner->trace = trace;
        if (fanotify_mark(learner->fanotify, FAN_MARK_ADD | FAN_MARK_MOUNT,
                          OPENED | FAN_CLOSE_WRITE | FAN_ONDIR, tree, ".") < 0)
                return error_origin(-errno);
        *ret = TAKE_PTR(learner);
        return 0;
}

int learner_get_fd(const Learner *learner) {
        return learner->fanotify;
}

/* ---- one event ---- */

static int read_path_of(int fd, char path[static PATH_MAX]) {
        char link[32];
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%i", fd);
        ssize_t size = readlink(link, path, PATH_MAX);
        if (size < 0)
                return error_origin(-errno);
        if (size >= PATH_MAX)
                return error_origin(-ENAMETOOLONG);
        path[size] = 0;
        return 0;
}

static bool is_there(int tree, const char *path, const struct statx *stx) {
        struct statx there;
        return statx(tree, path + 1, AT_SYMLINK_NOFOLLOW, STATX_INO, &there) >= 0 &&
               there.stx_ino == stx->stx_ino;
}

/* The kernel says so of what has been removed, and a file may be called so. */
static void cut_deleted(const Learner *learner, const struct statx *stx, char *path) {
        static const char deleted[] = " (deleted)";
        size_t size = strlen(path), cut = sizeof(deleted) - 1;
        if (size > cut && streq(path + size - cut, deleted) &&
            (stx->stx_nlink == 0 || !is_there(learner->tree, path, stx)))
                path[size - cut] = 0;
}

/* The path in the volume: 1; 0: it is not below the volume's root. */
static int find_path(const Learner *learner, int fd, const struct statx *stx, char path[static PATH_MAX]) {
        char before[PATH_MAX], after[PATH_MAX];
        int r = read_path_of(learner->tree, after);
        do {
                memcpy(before, after, strlen(after) + 1);
                if (r >= 0)
                        r = read_path_of(fd, path);
                if (r >= 0)
                        r = read_path_of(learner->tree, after);
        } while (r >= 0 && !streq(before, after)); /* once: attached, or no longer */
        if (r < 0)
                return r;
        const char *rest = streq(before, "/") ? path : startswith(path, before);
        if (!rest || (*rest && *rest != '/'))
                return 0;
        memmove(path, *rest ? rest : "/", MAX(strlen(rest), 1U) + 1);
        cut_deleted(learner, stx, path);
        return 1;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int add_names(DIR *dir, StrvBuilder *names) {
        size_t bytes = 0;
        const struct dirent *entry;
        while ((errno = 0, entry = readdir(dir))) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                bytes += strlen(entry->d_name) + 1;
                if (bytes > TRACE_BYTES_MAX)
                        return error_origin(-E2BIG);
                if (strv_builder_extend(names, entry->d_name) < 0)
                        return error_origin(-ENOMEM);
        }
        return errno > 0 ? error_origin(-errno) : 0;
}

/* Reads the folder that the kernel opened for us, which is an open of nobody's. Takes FD. Names that cannot
 * be read are not known. */
static int read_names(int fd, char ***ret) {
        _cleanup_(strv_builder_done) StrvBuilder names = {};
        _cleanup_closedir_ DIR *dir = fdopendir(fd);
        if (!dir) {
                (void) close(fd);
                return error_origin(-ENOMEM);
        }
        int r = add_names(dir, &names);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        if (names.n > 0)
                qsort(names.items, names.n, sizeof(*names.items), compare_names);
        return trace_names(&names, ret);
}

static unsigned kinds_of_event(uint64_t mask, unsigned mode) {
        unsigned kinds = 0;
        if (S_ISDIR(mode))
                return mask & OPENED ? TRACE_LISTED : 0;
        if (!S_ISREG(mode))
                return 0;
        if (mask & OPENED)
                kinds |= TRACE_READ;
        if (mask & FAN_CLOSE_WRITE)
                kinds |= TRACE_WRITTEN;
        return kinds;
}

/* It is known: no more of it. A kernel that cannot tells it again. */
static void ignore_event(const Learner *learner, uint64_t mask, int fd, bool is_folder) {
        static const unsigned ways[] = {
                FAN_MARK_IGNORE | FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_EVICTABLE,
                FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY,
        };
        uint64_t ignored = (mask & OPENED ? OPENED : 0) | (mask & FAN_CLOSE_WRITE);
        for (size_t i = 0; i < ELEMENTSOF(ways); i++)
                if (fanotify_mark(learner->fanotify, FAN_MARK_ADD | ways[i],
                                  ignored | (is_folder && i == 0 ? FAN_ONDIR : 0), fd, NULL) >= 0)
                        return;
}

/* Takes FD. */
static int note_object(const Learner *learner, int fd, const struct statx *stx, unsigned kinds) {
        _cleanup_close_ int object = fd;
        char path[PATH_MAX];
        TraceItem item = {.kinds = kinds, .stx = *stx};
        int r = find_path(learner, fd, stx, path);
        if (r == 0)
                return 0;
        if (r < 0)
                return trace_miss(learner->trace, "the path of something that it used is not known");
        item.path = strdup(path);
        r = item.path ? 0 : error_origin(-ENOMEM);
        if (r >= 0 && kinds == TRACE_LISTED)
                r = read_names(TAKE_FD(object), &item.names);
        if (r >= 0)
                return trace_take(learner->trace, &item);
        trace_item_done(&item);
        return r;
}

/* Takes FD. */
static int take_open_object(Learner *learner, uint64_t mask, int fd) {
        _cleanup_close_ int object = fd;
        struct statx stx;
        if (learner->trace->incomplete) /* nothing more counts, and a million files would be remembered */
                return 0;
        if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME, &stx) < 0)
                return trace_miss(learner->trace, "something that it used cannot be looked at");
        ignore_event(learner, mask, fd, S_ISDIR(stx.stx_mode));
        unsigned kinds = kinds_of_event(mask, stx.stx_mode);
        if (kinds == 0)
                return 0;
        int r = inodeset_add(&learner->seen, &stx, kinds);
        return r <= 0 ? r : note_object(learner, TAKE_FD(object), &stx, kinds);
}

static int take_told_object(Learner *learner, const struct fanotify_event_metadata *event) {
        if (event->mask & FAN_Q_OVERFLOW)
                return trace_miss(learner->trace, "it used more at once than the kernel can tell "
                                                  "(fs.fanotify.max_queued_events)");
        return event->fd < 0 ? 0 : take_open_object(learner, event->mask, event->fd);
}

/* ---- all of them ---- */

/* What the kernel cannot open for us: a device without a driver is nothing to learn. */
static int lose_event(Learner *learner, int r) {
        if (r == -ENXIO || r == -ENODEV || r == -EINTR)
                return 1;
        return trace_miss(learner->trace, "something that it used cannot be opened again");
}

/* 1: there may be more; 0: nothing. */
static int take_batch(Learner *learner) {
        struct fanotify_event_metadata events[EVENTS_AT_ONCE];
        ssize_t size = read(learner->fanotify, events, sizeof(events));
        int failed = 0;
        if (size < 0)
                return errno == EAGAIN ? 0 : lose_event(learner, -errno);
        for (struct fanotify_event_metadata *event = events; FAN_EVENT_OK(event, size);
             event = FAN_EVENT_NEXT(event, size)) {
                if (failed < 0)
                        closep(&event->fd);
                else
                        failed = take_told_object(learner, event);
        }
        return failed < 0 ? failed : 1;
}

int learner_take(Learner *learner) {
        int r = 1;
        for (unsigned i = 0; r > 0 && i < BATCHES_AT_ONCE; i++)
                r = take_batch(learner);
        return r;
}
