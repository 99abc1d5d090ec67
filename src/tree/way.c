/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Follows a path name by name. It refuses to trust what it saw a moment ago: each place is armed before it is
 * examined, and once all of them are armed, the path is followed a second time. If both passes agree, every
 * later change on the way is in the queue of the watches; if not, it starts over. */

#include "tree/way.h"

#include <fcntl.h>

#include "base/error.h"
#include "tree/contain.h"
#include "tree/listing.h"

#define LINKS_MAX 40U
#define WAY_TRIES 16U

void way_done(Way *w) {
        closep(&w->fd);
        for (size_t i = 0; i < w->n_links; i++) {
                free(w->links[i].path);
                free(w->links[i].target);
        }
        free(w->links);
        free(w->chain);
        free(w->rest);
        *w = WAY_NULL(w->walk);
}

static const char *way_path(const Way *w) {
        return *w->path ? w->path : "/";
}

/* The program has run out of something, which says nothing about the way. */
static bool is_shortage(int r) {
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

/* R is the result of going again to what was there a moment ago: failure is a race, unless something has run
 * out. */
static int as_race(int r) {
        assert(r < 0);
        return is_shortage(r) ? r : error_origin(-EAGAIN);
}

static int way_remember(Way *w, const struct statx *stx) {
        if (grow(w->chain, w->n_chain) < 0)
                return error_origin(-ENOMEM);
        w->chain[w->n_chain++] = place_identity(stx);
        return 0;
}

/* Reopens the directory w->path: the root, or further up for "..". */
static int way_reopen(Way *w) {
        int fd = -EBADF;
        int r = contain_open_nolinks(w->walk->root, way_path(w), O_PATH | O_DIRECTORY, 0, &fd);
        if (r < 0)
                return as_race(r);
        closep(&w->fd);
        w->fd = fd;
        return place_stat(fd, &w->stx);
}

static int way_start(Way *w, const char *path) {
        w->rest = strdup(path);
        if (!w->rest)
                return error_origin(-ENOMEM);
        int r = way_reopen(w);
        return r < 0 ? r : place_arm(w->walk->arm, w->fd, ARM_ANCESTOR);
}

static int way_up(Way *w) {
        char *slash = strrchr(w->path, '/');
        if (!slash)
                return 0; /* ".." of the root is the root */
        *slash = 0;
        return way_reopen(w);
}

/* A directory that somebody has open does not report its removal until it is closed. Only an empty one can be
 * removed: then the one above is armed, too. */
static int way_arm_above(const Way *w) {
        const char *slash = strrchr(w->path, '/');
        if (!w->walk->arm || !slash || !S_ISDIR(w->stx.stx_mode))
                return 0;
        int r = listing_is_empty(w->fd);
        if (r <= 0)
                return is_shortage(r) ? r : 0; /* that it cannot be read is reported elsewhere */
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *above = strndup(w->path, MAX((size_t) (slash - w->path), (size_t) 1));
        if (!above)
                return error_origin(-ENOMEM);
        r = contain_open_nolinks(w->walk->root, above, O_PATH | O_DIRECTORY, 0, &fd);
        return r < 0 ? as_race(r) : place_arm(w->walk->arm, fd, ARM_ABOVE);
}

/* Opens NAME in the current directory. If it is missing, its appearance is armed; likewise if something is
 * mounted on it. */
static int way_open(Way *w, const char *name, int *ret_fd) {
        int r = place_open(w->fd, name, 0, ret_fd), k = 0;
        if (r == -ENOENT || r == -EXDEV)
                k = place_arm(w->walk->arm, w->fd, r == -ENOENT ? ARM_MISSING : ARM_COVERED);
        if (k >= 0 && r == -ENOENT)
                k = way_arm_above(w);
        return k < 0 ? k : r;
}

/* Follows the link NAME (FD, armed): its target is put before the rest of the path. */
static int way_follow_link(Way *w, int fd, const char *name) {
        if (w->n_links >= LINKS_MAX)
                return error_origin(-ELOOP);
        if (grow(w->links, w->n_links) < 0)
                return error_origin(-ENOMEM);
        _cleanup_free_ char *target = NULL, *path = NULL, *rest = NULL;
        WayLink link = {.rest_after = strlen(w->rest)};
        int r = place_read_link(fd, "", &target);
        if (r >= 0)
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

/* Proceeds to NAME. */
static int way_step(Way *w, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        struct statx stx;
        int r = way_open(w, name, &fd);
        if (r >= 0)
                r = place_stat(fd, &stx);
        if (r >= 0)
                r = way_remember(w, &stx);
        if (r >= 0)
                r = place_arm(w->walk->arm, fd, S_ISDIR(stx.stx_mode) ? ARM_ANCESTOR : ARM_NODE);
        if (r < 0)
                return r;
        if (S_ISLNK(stx.stx_mode))
                return way_follow_link(w, fd, name);
        if (!S_ISDIR(stx.stx_mode) && *w->rest)
                return error_origin(-ENOTDIR);
        size_t length = strlen(w->path);
        r = place_path_append(w->path, &length, name);
        if (r < 0)
                return r;
        w->stx = stx;
        close(w->fd);
        w->fd = TAKE_FD(fd);
        return 0;
}

/* Removes the next name from the rest. 0: there is none. */
static int way_next_name(Way *w, char **ret) {
        const char *start = w->rest + strspn(w->rest, "/");
        size_t n = strcspn(start, "/");
        if (n == 0)
                return 0;
        char *name = strndup(start, n);
        if (!name)
                return error_origin(-ENOMEM);
        w->rest_before = strlen(start);
        memmove(w->rest, start + n, w->rest_before - n + 1);
        *ret = name;
        return 1;
}

static int way_go(Way *w, const char *path) {
        int r = way_start(w, path);
        while (r >= 0) {
                _cleanup_free_ char *name = NULL;
                r = way_next_name(w, &name);
                if (r <= 0)
                        return r < 0 ? r : way_arm_above(w);
                if (streq(name, ".."))
                        r = way_up(w);
                else if (!streq(name, "."))
                        r = way_step(w, name);
        }
        return r;
}

static bool way_equal(const Way *a, const Way *b) {
        if (a->n_chain != b->n_chain || !streq(a->path, b->path))
                return false;
        for (size_t i = 0; i < a->n_chain; i++)
                if (!place_identity_equal(&a->chain[i], &b->chain[i]))
                        return false;
        return true;
}

bool way_is_answer(int r) {
        switch (r) {
        case 0:
        case -ENOENT:
        case -ENOTDIR:
        case -EXDEV:
        case -ELOOP:
        case -ENAMETOOLONG:
                return true;
        }
        return false;
}

/* Follows the path and, if anything is armed, follows it again. */
static int way_go_twice(Way *w, const char *path) {
        int r = way_go(w, path);
        if (!w->walk->arm || !way_is_answer(r))
                return r;
        const Walk unwatched = {.root = w->walk->root};
        _cleanup_(way_done) Way again = WAY_NULL(&unwatched);
        int k = way_go(&again, path);
        if (!way_is_answer(k))
                return k;
        return k == r && way_equal(w, &again) ? r : error_origin(-EAGAIN);
}

int way_find(Way *w, const char *path) {
        assert(w->walk && w->walk->root >= 0);
        assert(w->fd < 0 && !w->rest && w->n_chain == 0 && w->n_links == 0);
        if (path[0] != '/')
                return error_origin(-EINVAL);
        int r = -EAGAIN;
        for (unsigned i = 0; i < WAY_TRIES && r == -EAGAIN; i++) {
                way_done(w);
                r = way_go_twice(w, path);
        }
        return r;
}

/* The link that names the place that could not be reached; NULL: the path itself does. Of nested links it is
 * the innermost, whose target had not been used up. */
static const WayLink *way_broken_link(const Way *w) {
        for (size_t i = w->n_links; i > 0; i--)
                if (w->rest_before > w->links[i - 1].rest_after)
                        return &w->links[i - 1];
        return NULL;
}

int way_visit_links(const Way *w, int r, const Visitor *visitor) {
        assert(way_is_answer(r) && visitor);
        const WayLink *broken = r < 0 ? way_broken_link(w) : NULL;
        int k = 0;
        for (size_t i = 0; k == 0 && i < w->n_links; i++) {
                const WayLink *l = &w->links[i];
                const WalkEntry entry = {
                        .path = l->path, .stx = &l->stx, .target = l->target, .broken = l == broken};
                k = visitor->visit(&entry, visitor->userdata);
        }
        return k;
}
