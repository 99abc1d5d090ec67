/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Most names lead through no link and are there: one openat2(2). Only else each part is looked at. Nothing is
 * opened but as O_PATH: no device or fifo notices. */

#include "builder/run/lookuppath.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "builder/run/trace.h"

#define LINKS_MAX 40U /* as many as the kernel follows */
#define LOOK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)

typedef struct Walk {
        const LookupTree *tree;
        const LookupName *name;
        const LookupTell *tell;
        struct statx *end;
        unsigned links;
        size_t n;            /* length of DONE */
        char done[PATH_MAX]; /* leads through no link; "" for the root */
        const char *rest;    /* what is left, in BUFFER */
        char buffer[PATH_MAX];
} Walk;

/* PATH, below the root of the tree, leads through no link; the end may be one. */
static int open_straight(const LookupTree *tree, const char *path, int *ret) {
        const struct open_how how = {
                .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
        };
        long fd;
        unsigned tries = 0;
        do
                fd = syscall(SYS_openat2, tree->root, *path ? path : "/", &how, sizeof(how));
        while (fd < 0 && errno == EAGAIN && ++tries < 16);
        if (fd < 0)
                return -errno;
        *ret = (int) fd;
        return 0;
}

static int look_at_fd(int fd, struct statx *ret) {
        return statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, LOOK, ret) < 0 ? -errno : 0;
}

static bool is_link(const struct statx *stx) {
        return S_ISLNK(stx->stx_mode);
}

/* Where it is within the volume; NULL: elsewhere. */
static const char *path_in_volume(const LookupTree *tree, const struct statx *stx, const char *path) {
        const char *below = streq(tree->volume, "/") ? path : startswith(path, tree->volume);
        if (stx->stx_mnt_id != tree->stx.stx_mnt_id || !below || (*below && *below != '/'))
                return NULL;
        return *below ? below : "/";
}

static int tell_end(const Walk *w, const struct statx *stx, unsigned kind) {
        const char *path = path_in_volume(w->tree, stx, w->done);
        return path ? w->tell->tell(path, kind, stx, w->tell->userdata) : 0;
}

/* DIRECTORY is as /proc shows it: absolute, and without a superfluous slash. */
static void begin_at(Walk *w, const char *directory) {
        w->n = streq(directory, "/") ? 0 : strlen(directory);
        memcpy(w->done, directory, w->n);
        w->done[w->n] = 0;
}

/* No process sees anything above its root directory. */
static void drop_part(Walk *w) {
        if (w->n == 0 || streq(w->done, w->name->top))
                return;
        while (w->n > 0 && w->done[--w->n] != '/')
                ;
        w->done[w->n] = 0;
}

static bool is_up(const char *part, size_t n) {
        return n == 2 && strncmp(part, "..", 2) == 0;
}

/* False: it is too long. */
static bool add_part(Walk *w, const char *part, size_t n) {
        if (is_up(part, n))
                drop_part(w);
        if (n == 0 || is_up(part, n) || (n == 1 && *part == '.'))
                return true;
        if (w->n + 1 + n >= sizeof(w->done))
                return false;
        w->done[w->n++] = '/';
        memcpy(w->done + w->n, part, n);
        w->n += n;
        w->done[w->n] = 0;
        return true;
}

/* The next part of what is left; its length. */
static size_t next_part(const char **p) {
        *p += strspn(*p, "/");
        return strcspn(*p, "/");
}

/* All that is left, as it is written. False: there is a ".." in it, which links may have a say in. */
static bool add_rest(Walk *w) {
        for (const char *p = w->rest; *p;) {
                size_t n = next_part(&p);
                if (is_up(p, n) || !add_part(w, p, n))
                        return false;
                p += n;
        }
        return true;
}

/* The last part of DONE is not there. Is what it is missing from on the volume? */
static int tell_absent(Walk *w) {
        _cleanup_close_ int fd = -EBADF;
        struct statx stx;
        char *slash = strrchr(w->done, '/');
        if (!slash)
                return 0;
        *slash = 0;
        bool there = open_straight(w->tree, w->done, &fd) >= 0 && look_at_fd(fd, &stx) >= 0;
        *slash = '/';
        size_t n = w->n;
        if (there && !add_rest(w))
                w->done[n] = 0; /* so that it is missing says enough */
        return there ? tell_end(w, &stx, TRACE_ABSENT) : 0;
}

/* Puts its target before what is left. 1: go on; 0: it is not followed. Those of /proc lead to what belongs
 * to the process that asks. */
static int enter_link(Walk *w, int fd) {
        char buffer[PATH_MAX];
        struct statfs fs;
        ssize_t n = readlinkat(fd, "", buffer, sizeof(buffer));
        size_t rest = strlen(w->rest) + 1;
        if (n <= 0 || (size_t) n + rest > sizeof(buffer) || ++w->links > LINKS_MAX || fstatfs(fd, &fs) < 0 ||
            fs.f_type == PROC_SUPER_MAGIC)
                return 0;
        memcpy(buffer + n, w->rest, rest); /* is empty, or begins with a slash */
        memcpy(w->buffer, buffer, (size_t) n + rest);
        w->rest = w->buffer;
        drop_part(w);
        if (*w->rest == '/')
                begin_at(w, w->name->top);
        return 1;
}

/* 1: go on; 0: that is the end. */
static int look_here(Walk *w) {
        _cleanup_close_ int fd = -EBADF;
        struct statx stx;
        bool last = w->rest[strspn(w->rest, "/")] == 0;
        int r = open_straight(w->tree, w->done, &fd);
        if (r == -ENOENT || r == -ENOTDIR)
                return tell_absent(w);
        if (r < 0 || look_at_fd(fd, &stx) < 0)
                return 0;
        if (is_link(&stx) && (w->name->follow || *w->rest)) {
                r = tell_end(w, &stx, TRACE_LINK);
                return r < 0 ? r : enter_link(w, fd);
        }
        if (!last)
                return 1;
        *w->end = stx;
        return tell_end(w, &stx, is_link(&stx) ? TRACE_LINK : TRACE_LOOKED);
}

static int follow_parts(Walk *w) {
        for (;;) {
                size_t n = next_part(&w->rest);
                if (!add_part(w, w->rest, n))
                        return 0;
                w->rest += n;
                int r = look_here(w);
                if (r <= 0)
                        return r;
        }
}

/* 1: it is told; 0: it is not that simple. */
static int try_straight(Walk *w) {
        _cleanup_close_ int fd = -EBADF;
        struct statx stx;
        if (!add_rest(w) || open_straight(w->tree, w->done, &fd) < 0 || look_at_fd(fd, &stx) < 0)
                return 0;
        if (is_link(&stx) && (w->name->follow || w->rest[strlen(w->rest) - 1] == '/'))
                return 0;
        *w->end = stx;
        int r = tell_end(w, &stx, is_link(&stx) ? TRACE_LINK : TRACE_LOOKED);
        return r < 0 ? r : 1;
}

static void begin_walk(Walk *w) {
        begin_at(w, *w->name->path == '/' ? w->name->top : w->name->base);
        memcpy(w->buffer, w->name->path, strlen(w->name->path) + 1);
        w->rest = w->buffer;
}

int lookuppath_follow(const LookupTree *tree, const LookupName *name, const LookupTell *tell,
                      struct statx *ret) {
        assert(tree && name && *name->path && tell && ret);
        Walk w = {.tree = tree, .name = name, .tell = tell, .end = ret};
        *ret = (struct statx){};
        if (strlen(name->path) >= PATH_MAX || strlen(name->base) >= PATH_MAX || strlen(name->top) >= PATH_MAX)
                return 0;
        begin_walk(&w);
        int r = try_straight(&w);
        if (r != 0)
                return MIN(r, 0);
        begin_walk(&w);
        return follow_parts(&w);
}

int lookuppath_open(int root, const char *volume, LookupTree *ret) {
        assert(root >= 0 && volume && *volume == '/' && ret);
        LookupTree tree = {.root = root, .volume = volume};
        _cleanup_close_ int fd = -EBADF;
        int r = open_straight(&tree, volume, &fd);
        if (r >= 0)
                r = look_at_fd(fd, &tree.stx);
        if (r < 0)
                return error_origin(r);
        if (!(tree.stx.stx_mask & STATX_MNT_ID))
                return error_origin(-EOPNOTSUPP);
        *ret = tree;
        return 0;
}

bool lookuppath_is_above_volume(const LookupTree *tree, const struct statx *end) {
        char path[PATH_MAX] = "";
        size_t n = strlen(tree->volume);
        for (size_t i = 0; i < n && n < sizeof(path); i++) {
                _cleanup_close_ int fd = -EBADF;
                struct statx stx;
                if (tree->volume[i] == '/' && open_straight(tree, path, &fd) >= 0 &&
                    look_at_fd(fd, &stx) >= 0 && stx.stx_ino == end->stx_ino &&
                    stx.stx_mnt_id == end->stx_mnt_id)
                        return true;
                path[i] = tree->volume[i];
        }
        return false;
}
