/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Arms the watches of a scan. It never reads an event and never removes a watch: the owner of the instance
 * only checks whether there was any. The masks are chosen so that nothing that a scan does itself (open,
 * list, read a link) is an event.
 *
 * When the kernel has no more watches it keeps counting: only then can it say how many are needed. */

#include "scan/watcher.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, size, hash) (hash) = (unsigned) XXH3_64bits((key), (size))
#include <uthash.h>

#include "base/error.h"

typedef struct WatchKey {
        uint64_t device, inode;
} WatchKey;

struct Watch {
        WatchKey key;
        bool armed;
        UT_hash_handle hh;
};

#define MASK_SELF (IN_MOVE_SELF | IN_DELETE_SELF)

static const uint32_t masks[] = {
        [ARM_ANCESTOR] = MASK_SELF,
        /* it may get empty */
        [ARM_MISSING] = MASK_SELF | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM,
        [ARM_NODE] = MASK_SELF | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE,
        /* IN_ATTRIB reports that the name of an open file was removed */
        [ARM_PRESENCE] = MASK_SELF | IN_ATTRIB,
        [ARM_TREE] = MASK_SELF | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                     IN_MOVED_FROM | IN_MOVED_TO,
        [ARM_ABOVE] = MASK_SELF | IN_DELETE,
};

void watcher_init(Watcher *w, int inotify_fd) {
        assert(w);
        *w = (Watcher){.inotify_fd = inotify_fd};
}

void watcher_done(Watcher *w) {
        Watch *watch, *next;
        assert(HASH_COUNT(w->watches) == w->n_watches);
        HASH_ITER (hh, w->watches, watch, next) {
                HASH_DEL(w->watches, watch);
                free(watch);
        }
        watcher_init(w, -EBADF);
}

static WatchKey watch_key(const struct statx *stx) {
        return (WatchKey){makedev(stx->stx_dev_major, stx->stx_dev_minor), stx->stx_ino};
}

/* The one for the place that FD refers to: it counts once, however many paths lead to it. */
static int watcher_obtain(Watcher *w, int fd, bool directory, Watch **ret) {
        struct statx stx = {};
        Watch *watch = NULL;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_INO, &stx) < 0)
                return error_origin(-errno);
        WatchKey key = watch_key(&stx);
        HASH_FIND(hh, w->watches, &key, sizeof(key), watch);
        if (watch) {
                *ret = watch;
                return 0;
        }
        if (directory && w->n_directories >= WATCHER_DIRECTORIES_MAX)
                return error_origin(-E2BIG);
        watch = malloc(sizeof(*watch));
        if (!watch)
                return error_origin(-ENOMEM);
        *watch = (Watch){.key = key};
        HASH_ADD(hh, w->watches, key, sizeof(key), watch);
        if (!watch->hh.tbl) {
                free(watch);
                return error_origin(-ENOMEM);
        }
        w->n_watches++;
        w->n_directories += directory;
        *ret = watch;
        return 0;
}

int watcher_arm(int fd, ArmKind kind, void *userdata) {
        Watcher *w = userdata;
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        Watch *watch = NULL;
        assert(w && fd >= 0 && kind < _ARM_KIND_MAX);
        if (kind == ARM_COVERED) {
                w->covered = true;
                return 0;
        }
        int r = watcher_obtain(w, fd, kind != ARM_NODE && kind != ARM_PRESENCE, &watch);
        if (r < 0 || w->inotify_fd < 0)
                return r;
        /* inotify_add_watch(2) takes no descriptor; this names the inode itself, even that of a link */
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%i", fd);
        if (inotify_add_watch(w->inotify_fd, path, masks[kind] | IN_MASK_ADD) < 0)
                return errno == ENOSPC ? 0 : error_origin(-errno);
        w->n_armed += !watch->armed;
        watch->armed = true;
        assert(w->n_armed <= w->n_watches);
        return 0;
}
