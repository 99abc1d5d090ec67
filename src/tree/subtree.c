/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads a whole tree. Anything that vanishes or is swapped meanwhile is skipped, which is not an error: its
 * place is armed, so the next scan is already due. Descriptors and memory grow not with the tree but with its
 * depth and its widest directories: one directory is open at a time, and is reopened by its path after its
 * child was read. */

#include "tree/subtree.h"

#include <fcntl.h>

#include "base/error.h"
#include "tree/contain.h"
#include "tree/listing.h"

/* One directory in the path down. */
typedef struct Frame {
        PlaceIdentity identity;
        Listing listing;
        size_t next;   /* the next name */
        size_t length; /* of the path of the directory */
} Frame;

typedef struct Subtree {
        const Walk *walk;
        const Visitor *visitor;
        int dirfd; /* of the last frame; negative: must be reopened */
        Frame *frames;
        size_t n_frames;
        char path[PLACE_PATH_ROOM];
        size_t length;
        ListingBuffer buffer;
} Subtree;

static void subtree_pop(Subtree *t) {
        assert(t->n_frames > 0);
        listing_done(&t->frames[--t->n_frames].listing);
        closep(&t->dirfd);
        t->dirfd = -EBADF;
}

static Subtree *subtree_free(Subtree *t) {
        while (t->n_frames > 0)
                subtree_pop(t);
        free(t->frames);
        free(t);
        return NULL;
}
DEFINE_CLEANUP(Subtree *, subtree_free);

static Subtree *subtree_new(const Walk *walk, const char *path, const Visitor *visitor) {
        Subtree *t = calloc(1, sizeof(*t));
        if (!t)
                return NULL;
        t->walk = walk;
        t->visitor = visitor;
        t->dirfd = -EBADF;
        t->length = strlen(path);
        assert(t->length < sizeof(t->path));
        memcpy(t->path, path, t->length + 1);
        return t;
}

/* Enters the directory FD (O_PATH, armed), whose path is t->path. */
static int subtree_enter(Subtree *t, int fd) {
        _cleanup_close_ int dirfd = -EBADF;
        _cleanup_(listing_done) Listing listing = {};
        struct statx stx;
        int r = contain_open_nolinks(fd, "/", O_RDONLY | O_DIRECTORY, 0, &dirfd);
        if (r >= 0)
                r = place_stat(dirfd, &stx);
        if (r >= 0)
                r = listing_read(dirfd, &t->buffer, &listing);
        if (r >= 0)
                r = grow(t->frames, t->n_frames);
        if (r < 0)
                return r;
        t->frames[t->n_frames++] = (Frame){
                .identity = place_identity(&stx),
                .listing = listing,
                .length = t->length,
        };
        listing = (Listing){};
        closep(&t->dirfd);
        t->dirfd = TAKE_FD(dirfd);
        return 0;
}

/* Does the error R mean that the name vanished, or became something else, since it was listed? */
static bool is_gone(int r) {
        return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EINVAL || r == -ESTALE;
}

/* A file can be changed through a hard link elsewhere without an event in its directory, so it is watched
 * itself. What is mounted on it is not: that is not part of the tree. */
static int subtree_arm_shared(Subtree *t, const char *name, struct statx *stx) {
        _cleanup_close_ int fd = -EBADF;
        int r = place_open(t->dirfd, name, 0, &fd);
        if (r == -EXDEV)
                return 0;
        if (r >= 0)
                r = place_arm(t->walk->arm, fd, ARM_NODE);
        if (r >= 0)
                r = place_stat(fd, stx);
        return r;
}

/* Enters NAME, unless something is mounted on it. */
static int subtree_descend(Subtree *t, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        int r = place_open(t->dirfd, name, O_DIRECTORY, &fd);
        if (r == -EXDEV || is_gone(r))
                return 0;
        if (r >= 0)
                r = place_arm(t->walk->arm, fd, ARM_TREE);
        return r < 0 ? r : subtree_enter(t, fd);
}

/* Examines NAME, whose path is t->path, arming it first if it must be watched itself. *RET_TARGET is set for
 * a symbolic link. */
static int subtree_look_at(Subtree *t, const char *name, struct statx *ret, char **ret_target) {
        int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, r = 0;
        if (statx(t->dirfd, name, flags, STATX_BASIC_STATS, ret) < 0)
                return -errno; /* usually gone, which is not an error */
        if (S_ISREG(ret->stx_mode) && ret->stx_nlink > 1 && t->walk->arm)
                r = subtree_arm_shared(t, name, ret);
        if (r >= 0 && S_ISLNK(ret->stx_mode))
                r = place_read_link(t->dirfd, name, ret_target);
        return r;
}

static int subtree_visit(Subtree *t, const char *name) {
        _cleanup_free_ char *target = NULL;
        struct statx stx;
        if (place_is_own_state(t->path))
                return 0;
        int r = subtree_look_at(t, name, &stx, &target);
        if (r < 0)
                return is_gone(r) ? 0 : r;
        const WalkEntry entry = {.path = t->path, .stx = &stx, .target = target};
        r = t->visitor->visit(&entry, t->visitor->userdata);
        return r != 0 || !S_ISDIR(stx.stx_mode) ? r : subtree_descend(t, name);
}

/* Reopens the directory of the last frame, after its child was read. If there is another one now, the rest of
 * its names is gone with it. */
static int subtree_reopen(Subtree *t) {
        Frame *f = &t->frames[t->n_frames - 1];
        struct statx stx;
        t->path[f->length] = 0;
        const char *path = f->length > 0 ? t->path : "/";
        int r = contain_open_nolinks(t->walk->root, path, O_RDONLY | O_DIRECTORY, 0, &t->dirfd);
        if (r >= 0)
                r = place_stat(t->dirfd, &stx);
        bool same = false;
        if (r >= 0) {
                const PlaceIdentity now = place_identity(&stx);
                same = place_identity_equal(&now, &f->identity);
        } else if (r != -EXDEV && !is_gone(r))
                return r;
        if (!same)
                f->next = f->listing.n_names;
        return 0;
}

/* Processes the next name of the last frame. */
static int subtree_step(Subtree *t) {
        Frame *f = &t->frames[t->n_frames - 1];
        assert(f->next <= f->listing.n_names);
        if (f->next == f->listing.n_names) {
                subtree_pop(t);
                return 0;
        }
        if (t->dirfd < 0)
                return subtree_reopen(t);
        const char *name = f->listing.names[f->next++];
        t->length = f->length;
        t->path[t->length] = 0;
        int r = place_path_append(t->path, &t->length, name);
        return r < 0 ? r : subtree_visit(t, name);
}

int subtree_walk(const Walk *walk, int fd, const char *path, const Visitor *visitor) {
        assert(walk && fd >= 0 && visitor);
        _cleanup_(subtree_freep) Subtree *t = subtree_new(walk, path, visitor);
        if (!t)
                return error_origin(-ENOMEM);
        int r = subtree_enter(t, fd);
        while (r == 0 && t->n_frames > 0)
                r = subtree_step(t);
        return r;
}
