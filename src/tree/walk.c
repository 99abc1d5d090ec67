/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Walks a source. It refuses to trust what it saw a moment ago: a place is armed before it is looked at, and
 * a chain of places on the way to a path is resolved a second time once all of it is armed. If both ways are
 * the same, every later change of the way lies in the queue of the watches; if not, it starts over.
 *
 * What vanishes or is swapped while a tree is read is skipped and not an error: where it was is armed, so the
 * next scan is already called for. Descriptors and memory do not grow with the tree but with its depth and
 * its widest directories. */

#include "tree/walk.h"

#include <bootkeep.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

#include "base/error.h"
#include "tree/contain.h"

#define LINKS_MAX 40U
#define RACE_TRIES 16U
#define PATH_ROOM 4096U
#define LISTING_ROOM (32U * 1024U)
#define STATX_WANTED (STATX_BASIC_STATS | STATX_MNT_ID)

typedef struct Identity {
        uint64_t device, inode;
} Identity;

typedef struct Link {
        char *path, *target;
        struct statx stx;
} Link;

/* The way to one path. */
typedef struct Way {
        int root;
        const Arm *arm;
        int fd;               /* where we are, O_PATH */
        char path[PATH_ROOM]; /* the same without links; "" is the root */
        char *rest;           /* what is still to go */
        struct statx stx;     /* of where we are */
        Identity *chain;      /* everything passed, links too */
        size_t n_chain;
        Link *links;
        size_t n_links;
} Way;

static void way_done(Way *w) {
        closep(&w->fd);
        for (size_t i = 0; i < w->n_links; i++) {
                free(w->links[i].path);
                free(w->links[i].target);
        }
        free(w->links);
        free(w->chain);
        free(w->rest);
        *w = (Way){.fd = -EBADF};
}

static int place_arm(const Arm *arm, int fd, ArmKind kind) {
        return arm ? arm->arm(fd, kind, arm->userdata) : 0;
}

static int place_stat(int fd, struct statx *ret) {
        return statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_WANTED, ret) < 0
                       ? -errno
                       : 0;
}

/* Opens NAME in DIRFD, whatever it is, a link as itself. */
static int open_name(int dirfd, const char *name, int flags, int *ret_fd) {
        char path[NAME_MAX + 2];
        if (strlen(name) > NAME_MAX)
                return error_origin(-ENAMETOOLONG);
        (void) snprintf(path, sizeof path, "/%s", name);
        return contain_open_nolinks(dirfd, path, O_PATH | O_NOFOLLOW | flags, 0, ret_fd);
}

static int read_link(int dirfd, const char *name, char **ret) {
        char target[PATH_ROOM];
        ssize_t n = readlinkat(dirfd, name, target, sizeof target);
        if (n < 0)
                return error_origin(-errno);
        if ((size_t) n == sizeof target)
                return error_origin(-ENAMETOOLONG);
        char *copy = strndup(target, (size_t) n);
        if (!copy)
                return error_origin(-ENOMEM);
        *ret = copy;
        return 0;
}

static int path_append(char *path, size_t *length, const char *name) {
        size_t n = strlen(name);
        if (*length + 1 + n >= PATH_ROOM)
                return error_origin(-ENAMETOOLONG);
        path[*length] = '/';
        memcpy(path + *length + 1, name, n + 1);
        *length += n + 1;
        return 0;
}

static int way_remember(Way *w, const struct statx *stx) {
        if (grow(w->chain, w->n_chain) < 0)
                return error_origin(-ENOMEM);
        w->chain[w->n_chain++] = (Identity){
                (uint64_t) stx->stx_dev_major << 32 | stx->stx_dev_minor,
                stx->stx_ino,
        };
        return 0;
}

/* Goes to the directory w->path anew: to the root, or back up for "..". It was reached before, so failure to
 * reach it again is a race. */
static int way_reopen(Way *w) {
        int fd = -EBADF;
        int r = contain_open_nolinks(w->root, *w->path ? w->path : "/", O_PATH | O_DIRECTORY, 0, &fd);
        if (r < 0)
                return r == -ENOMEM || r == -EMFILE ? r : error_origin(-EAGAIN);
        closep(&w->fd);
        w->fd = fd;
        return place_stat(fd, &w->stx);
}

static int way_start(Way *w, const char *path) {
        w->rest = strdup(path);
        if (!w->rest)
                return error_origin(-ENOMEM);
        int r = way_reopen(w);
        return r < 0 ? r : place_arm(w->arm, w->fd, ARM_ANCESTOR);
}

static int way_up(Way *w) {
        char *slash = strrchr(w->path, '/');
        if (!slash)
                return 0; /* ".." of the root is the root */
        *slash = 0;
        return way_reopen(w);
}

/* Does the directory FD (O_PATH) hold nothing? 0, 1 or negative errno. */
static int is_empty(int fd) {
        char listing[1024] __attribute__((__aligned__(8)));
        _cleanup_close_ int dirfd = -EBADF;
        int r = contain_open_nolinks(fd, "/", O_RDONLY | O_DIRECTORY, 0, &dirfd);
        for (ssize_t n = 1; r >= 0 && n > 0;) {
                n = getdents64(dirfd, listing, sizeof listing);
                for (ssize_t at = 0; at < n;) {
                        const struct dirent64 *d = (const struct dirent64 *) (listing + at);
                        at += d->d_reclen;
                        if (!streq(d->d_name, ".") && !streq(d->d_name, ".."))
                                return 0;
                }
        }
        return r < 0 ? r : 1;
}

/* A directory that somebody has open does not say that it was removed before it is closed. Only one that is
 * empty can be: then the one above is armed too. */
static int way_arm_above(const Way *w) {
        const char *slash = strrchr(w->path, '/');
        if (!w->arm || !slash || !S_ISDIR(w->stx.stx_mode))
                return 0;
        int r = is_empty(w->fd);
        if (r <= 0)
                return r == -ENOMEM || r == -EMFILE ? r : 0; /* as unreadable it is told elsewhere */
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *above = strndup(w->path, MAX((size_t) (slash - w->path), (size_t) 1));
        if (!above)
                return error_origin(-ENOMEM);
        r = contain_open_nolinks(w->root, above, O_PATH | O_DIRECTORY, 0, &fd);
        if (r < 0)
                return r == -ENOMEM || r == -EMFILE ? r
                                                    : error_origin(-EAGAIN); /* it was there a moment ago */
        return place_arm(w->arm, fd, ARM_ABOVE);
}

/* Opens NAME where we are. If it is missing, its appearance is armed, and it is looked for once more: it may
 * have come before the arming. Likewise if something is mounted on it. */
static int way_open(Way *w, const char *name, int *ret_fd) {
        int r = open_name(w->fd, name, 0, ret_fd);
        if (r != -ENOENT && r != -EXDEV)
                return r;
        int q = place_arm(w->arm, w->fd, r == -ENOENT ? ARM_MISSING : ARM_COVERED);
        if (q >= 0 && r == -ENOENT)
                q = way_arm_above(w);
        return q < 0 ? q : open_name(w->fd, name, 0, ret_fd);
}

/* Passes the link NAME (FD, armed): what it says comes before the rest of the way. */
static int way_follow(Way *w, int fd, const char *name) {
        if (w->n_links >= LINKS_MAX)
                return error_origin(-ELOOP);
        if (grow(w->links, w->n_links) < 0)
                return error_origin(-ENOMEM);
        _cleanup_free_ char *target = NULL, *path = NULL, *rest = NULL;
        Link link = {};
        int r = read_link(fd, "", &target);
        if (r < 0 || !target)
                return r;
        r = place_stat(fd, &link.stx);
        if (r >= 0)
                r = strprintf(&path, "%s/%s", w->path, name);
        if (r >= 0)
                r = strprintf(&rest, "%s%s", target, w->rest);
        if (r >= 0 && target[0] == '/') {
                w->path[0] = 0;
                r = way_reopen(w);
        }
        if (r < 0)
                return r;
        free(w->rest);
        w->rest = TAKE_PTR(rest);
        link.path = TAKE_PTR(path);
        link.target = TAKE_PTR(target);
        w->links[w->n_links++] = link;
        return 0;
}

/* Goes on to NAME. */
static int way_step(Way *w, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        struct statx stx;
        int r = way_open(w, name, &fd);
        if (r >= 0)
                r = place_stat(fd, &stx);
        if (r >= 0)
                r = way_remember(w, &stx);
        if (r >= 0)
                r = place_arm(w->arm, fd, S_ISDIR(stx.stx_mode) ? ARM_ANCESTOR : ARM_NODE);
        if (r < 0)
                return r;
        if (S_ISLNK(stx.stx_mode))
                return way_follow(w, fd, name);
        if (!S_ISDIR(stx.stx_mode) && *w->rest)
                return error_origin(-ENOTDIR);
        size_t length = strlen(w->path);
        r = path_append(w->path, &length, name);
        if (r >= 0)
                r = place_stat(fd, &w->stx); /* behind the arming */
        if (r < 0)
                return r;
        close(w->fd);
        w->fd = TAKE_FD(fd);
        return 0;
}

/* Cuts the next name off the rest, NULL at its end. */
static char *way_next(Way *w) {
        char *start = w->rest + strspn(w->rest, "/");
        size_t n = strcspn(start, "/");
        char *name = n > 0 ? strndup(start, n) : NULL;
        if (n == 0 || name)
                memmove(w->rest, start + n, strlen(start + n) + 1);
        return name;
}

static int way_go(Way *w, const char *path) {
        int r = way_start(w, path);
        while (r >= 0) {
                _cleanup_free_ char *name = way_next(w);
                if (!name)
                        return *w->rest ? error_origin(-ENOMEM) : way_arm_above(w);
                if (streq(name, ".."))
                        r = way_up(w);
                else if (!streq(name, "."))
                        r = way_step(w, name);
        }
        return r;
}

static bool way_equal(const Way *a, const Way *b) {
        return a->n_chain == b->n_chain && streq(a->path, b->path) &&
               (a->n_chain == 0 || memcmp(a->chain, b->chain, a->n_chain * sizeof(Identity)) == 0);
}

static bool is_outcome(int r) {
        return r >= 0 || r == -ENOENT || r == -ENOTDIR;
}

/* One try to find the way and, where it is armed, to find it again. */
static int way_try(Way *w, const char *path) {
        int r = way_go(w, path);
        if (!w->arm || !is_outcome(r))
                return r;
        Way again = {.root = w->root, .fd = -EBADF};
        int r2 = way_go(&again, path);
        bool same = r2 == r && way_equal(w, &again);
        way_done(&again);
        return same ? r : error_origin(-EAGAIN);
}

static int way_find(Way *w, const char *path) {
        if (path[0] != '/')
                return error_origin(-EINVAL);
        Way empty = *w;
        int r = -EAGAIN;
        for (unsigned i = 0; i < RACE_TRIES && r == -EAGAIN; i++) {
                way_done(w);
                *w = empty;
                r = way_try(w, path);
        }
        return r;
}

static int way_give_links(const Way *w, const Visitor *visitor) {
        int r = 0;
        for (size_t i = 0; visitor && r == 0 && i < w->n_links; i++) {
                const Link *l = &w->links[i];
                const WalkEntry entry = {.path = l->path, .stx = &l->stx, .target = l->target};
                r = visitor->visit(&entry, visitor->userdata);
        }
        return r;
}

int walk_resolve(const Walk *walk, const char *path, const Visitor *visitor, int *ret_fd, char **ret_path) {
        _cleanup_(way_done) Way w = {.root = walk->root, .arm = walk->arm, .fd = -EBADF};
        int r = way_find(&w, path);
        int q = is_outcome(r) ? way_give_links(&w, visitor) : 0;
        if (r < 0 || q != 0)
                return q != 0 ? q : r;
        char *resolved = strdup(*w.path ? w.path : "/");
        if (!resolved)
                return error_origin(-ENOMEM);
        *ret_path = resolved;
        *ret_fd = TAKE_FD(w.fd);
        return 0;
}

/* One directory of a tree, listed. */
typedef struct Frame {
        Identity identity;
        char *text;   /* the names, each with its NUL */
        char **names; /* into it, sorted */
        size_t n_names, next;
        size_t length; /* of the path of the directory */
} Frame;

typedef struct Tree {
        int root;
        const Arm *arm;
        const Visitor *visitor;
        uint64_t mount;
        int dirfd; /* of the last frame; negative: to be opened again */
        Frame *frames;
        size_t n_frames;
        char path[PATH_ROOM];
        size_t length;
        char listing[LISTING_ROOM] __attribute__((__aligned__(8)));
} Tree;

static void frame_done(Frame *f) {
        free(f->text);
        free(f->names);
        *f = (Frame){};
}

static Tree *tree_free(Tree *t) {
        if (!t)
                return NULL;
        while (t->n_frames > 0)
                frame_done(&t->frames[--t->n_frames]);
        free(t->frames);
        closep(&t->dirfd);
        free(t);
        return NULL;
}
DEFINE_CLEANUP(Tree *, tree_free);

/* Collects the names that one read of the directory gave. */
static int frame_add(Frame *f, size_t *size, size_t *room, const char *listing, size_t n) {
        for (size_t at = 0; at < n;) {
                const struct dirent64 *d = (const struct dirent64 *) (listing + at);
                at += d->d_reclen;
                if (streq(d->d_name, ".") || streq(d->d_name, ".."))
                        continue;
                size_t length = strlen(d->d_name) + 1;
                if (*size + length > *room) {
                        size_t more = MAX(*room * 2, (size_t) 4096);
                        char *text = realloc(f->text, more);
                        if (!text)
                                return error_origin(-ENOMEM);
                        f->text = text;
                        *room = more;
                }
                memcpy(f->text + *size, d->d_name, length);
                *size += length;
                f->n_names++;
        }
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int frame_sort(Frame *f) {
        if (f->n_names == 0)
                return 0;
        f->names = reallocarray(NULL, f->n_names, sizeof(char *));
        if (!f->names)
                return error_origin(-ENOMEM);
        char *p = f->text;
        for (size_t i = 0; i < f->n_names; i++, p += strlen(p) + 1)
                f->names[i] = p;
        qsort(f->names, f->n_names, sizeof(char *), compare_names);
        return 0;
}

static int frame_list(Frame *f, int dirfd, char listing[static LISTING_ROOM]) {
        size_t size = 0, room = 0;
        for (;;) {
                ssize_t n = getdents64(dirfd, listing, LISTING_ROOM);
                if (n == 0)
                        return frame_sort(f);
                /* ENOENT: the directory was removed while it was read */
                if (n < 0)
                        return errno == ENOENT ? frame_sort(f) : error_origin(-errno);
                int r = frame_add(f, &size, &room, listing, (size_t) n);
                if (r < 0)
                        return r;
        }
}

/* Goes into the directory FD (O_PATH, armed), whose path is t->path. */
static int tree_enter(Tree *t, int fd) {
        _cleanup_close_ int dirfd = -EBADF;
        _cleanup_(frame_done) Frame f = {.length = t->length};
        struct statx stx;
        int r = contain_open_nolinks(fd, "/", O_RDONLY | O_DIRECTORY, 0, &dirfd);
        if (r >= 0)
                r = place_stat(dirfd, &stx);
        if (r >= 0)
                r = frame_list(&f, dirfd, t->listing);
        if (r >= 0)
                r = grow(t->frames, t->n_frames);
        if (r < 0)
                return r;
        f.identity = (Identity){(uint64_t) stx.stx_dev_major << 32 | stx.stx_dev_minor, stx.stx_ino};
        t->frames[t->n_frames++] = f;
        f = (Frame){};
        closep(&t->dirfd);
        t->dirfd = TAKE_FD(dirfd);
        return 0;
}

/* Has the thing behind these errors gone, or become something else, since it was listed? */
static bool is_gone(int r) {
        return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EINVAL || r == -ESTALE;
}

/* Our own stamps are written behind every build: what counted them would never be up to date. */
bool walk_is_own_state(const char *path) {
        const char *rest = startswith(path, BOOTKEEP_VOLUME_STATE);
        return rest && (!*rest || *rest == '/');
}

/* A hard link elsewhere changes a file without its directory being told: it is watched itself. */
static int tree_arm_shared(Tree *t, const char *name, struct statx *stx) {
        _cleanup_close_ int fd = -EBADF;
        int r = open_name(t->dirfd, name, 0, &fd);
        if (r >= 0)
                r = place_arm(t->arm, fd, ARM_NODE);
        if (r >= 0)
                r = place_stat(fd, stx);
        return r;
}

static int tree_descend(Tree *t, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        int r = open_name(t->dirfd, name, O_DIRECTORY, &fd);
        if (r == -EXDEV || is_gone(r))
                return 0;
        if (r >= 0)
                r = place_arm(t->arm, fd, ARM_TREE);
        return r < 0 ? r : tree_enter(t, fd);
}

static int tree_give(Tree *t, const char *name) {
        _cleanup_free_ char *target = NULL;
        struct statx stx;
        if (walk_is_own_state(t->path))
                return 0;
        int r = statx(t->dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_WANTED, &stx) < 0 ? -errno
                                                                                                     : 0;
        bool same_mount = r >= 0 && stx.stx_mnt_id == t->mount;
        if (r >= 0 && S_ISREG(stx.stx_mode) && stx.stx_nlink > 1 && t->arm && same_mount)
                r = tree_arm_shared(t, name, &stx);
        if (r >= 0 && S_ISLNK(stx.stx_mode))
                r = read_link(t->dirfd, name, &target);
        if (r < 0)
                return is_gone(r) ? 0 : r;
        const WalkEntry entry = {.path = t->path, .stx = &stx, .target = target};
        r = t->visitor->visit(&entry, t->visitor->userdata);
        if (r != 0 || !S_ISDIR(stx.stx_mode) || !same_mount)
                return r;
        return tree_descend(t, name);
}

/* Opens the directory of the last frame again, after its child was read. If another one stands there now, the
 * rest of its names is gone with it. */
static int tree_back(Tree *t) {
        Frame *f = &t->frames[t->n_frames - 1];
        struct statx stx;
        t->path[f->length] = 0;
        int r = contain_open_nolinks(t->root, f->length > 0 ? t->path : "/", O_RDONLY | O_DIRECTORY, 0,
                                     &t->dirfd);
        if (r >= 0)
                r = place_stat(t->dirfd, &stx);
        if (r == -EXDEV || is_gone(r)) {
                f->next = f->n_names;
                return 0;
        }
        if (r < 0)
                return r;
        if (stx.stx_ino != f->identity.inode ||
            ((uint64_t) stx.stx_dev_major << 32 | stx.stx_dev_minor) != f->identity.device)
                f->next = f->n_names;
        return 0;
}

static int tree_walk(Tree *t) {
        int r = 0;
        while (r == 0 && t->n_frames > 0) {
                Frame *f = &t->frames[t->n_frames - 1];
                if (f->next == f->n_names) {
                        frame_done(f);
                        t->n_frames--;
                        closep(&t->dirfd);
                        t->dirfd = -EBADF;
                        continue;
                }
                if (t->dirfd < 0) {
                        r = tree_back(t);
                        continue;
                }
                const char *name = f->names[f->next++];
                t->length = f->length;
                r = path_append(t->path, &t->length, name);
                if (r == 0)
                        r = tree_give(t, name);
        }
        return r;
}

static int walk_tree(const Way *w, const Visitor *visitor) {
        _cleanup_(tree_freep) Tree *t = calloc(1, sizeof(Tree));
        if (!t)
                return error_origin(-ENOMEM);
        t->root = w->root;
        t->arm = w->arm;
        t->visitor = visitor;
        t->mount = w->stx.stx_mnt_id;
        t->dirfd = -EBADF;
        t->length = strlen(w->path);
        memcpy(t->path, w->path, t->length + 1);
        int r = tree_enter(t, w->fd);
        return r < 0 ? r : tree_walk(t);
}

int walk_source(const Walk *walk, const char *path, const Visitor *visitor) {
        _cleanup_(way_done) Way w = {.root = walk->root, .arm = walk->arm, .fd = -EBADF};
        int r = way_find(&w, path);
        int q = is_outcome(r) ? way_give_links(&w, visitor) : 0;
        if (r < 0 || q != 0 || walk_is_own_state(w.path))
                return q != 0 ? q : r;
        bool whole = S_ISDIR(w.stx.stx_mode);
        if (whole)
                r = place_arm(walk->arm, w.fd, ARM_TREE);
        if (r >= 0)
                r = place_stat(w.fd, &w.stx);
        const WalkEntry entry = {.path = *w.path ? w.path : "/", .stx = &w.stx};
        if (r >= 0)
                r = visitor->visit(&entry, visitor->userdata);
        return r == 0 && whole ? walk_tree(&w, visitor) : r;
}
