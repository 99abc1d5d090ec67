/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each folder is opened in the one above it and armed, and after the last one the whole path is opened again:
 * if that leads to the same folder, nothing was moved away before it was armed. */

#include "tree/folders.h"

#include <fcntl.h>

#include "base/error.h"
#include "tree/contain.h"

#define FOLDERS_TRIES 16U
#define FOLDERS_OPEN_MAX 32U /* the last ones; a tree may be deeper than a process has descriptors */

void folders_init(Folders *f, const Walk *walk) {
        assert(f && walk && walk->root >= 0);
        *f = (Folders){.walk = walk};
}

static void folders_leave(Folders *f) {
        assert(f->n_frames > 0);
        closep(&f->frames[--f->n_frames].fd);
        f->path[f->n_frames > 0 ? f->frames[f->n_frames - 1].length : 0] = 0;
}

void folders_done(Folders *f) {
        while (f->n_frames > 0)
                folders_leave(f);
        free(f->frames);
        f->frames = NULL;
}

static FoldersFrame *folders_last(const Folders *f) {
        assert(f->n_frames > 0);
        return &f->frames[f->n_frames - 1];
}

static int folders_push(Folders *f, int fd, size_t length) {
        if (grow(f->frames, f->n_frames) < 0)
                return error_origin(-ENOMEM);
        f->frames[f->n_frames++] = (FoldersFrame){.fd = fd, .length = length};
        if (f->n_frames > FOLDERS_OPEN_MAX) {
                FoldersFrame *first = &f->frames[f->n_frames - 1 - FOLDERS_OPEN_MAX];
                closep(&first->fd);
                first->fd = -EBADF;
        }
        return 0;
}

/* The last one was closed because it was far above the one before. */
static int folders_reopen(Folders *f) {
        FoldersFrame *last = folders_last(f);
        if (last->fd >= 0)
                return 0;
        int r = contain_open_nolinks(f->walk->root, *f->path ? f->path : "/", O_PATH | O_DIRECTORY, 0,
                                     &last->fd);
        if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV)
                return error_origin(-EAGAIN); /* it was there a moment ago */
        return r < 0 || f->n_frames == 1 ? r : place_arm(f->walk->arm, last->fd, ARM_ANCESTOR);
}

int folders_above(const Folders *f) {
        return f->n_frames > 1 ? f->frames[f->n_frames - 2].fd : -EBADF;
}

/* The root comes first. */
static int folders_start(Folders *f) {
        _cleanup_close_ int fd = -EBADF;
        if (f->n_frames > 0)
                return 0;
        int r = contain_open_nolinks(f->walk->root, "/", O_PATH | O_DIRECTORY, 0, &fd);
        if (r >= 0)
                r = folders_push(f, fd, 0);
        if (r >= 0)
                (void) TAKE_FD(fd);
        return r;
}

/* Leaves every folder that is not on the way to PATH. */
static void folders_go_back(Folders *f, const char *path) {
        while (f->n_frames > 1) {
                size_t length = folders_last(f)->length;
                if (strncmp(path, f->path, length) == 0 && (path[length] == '/' || path[length] == 0))
                        return;
                folders_leave(f);
        }
}

/* NAME is not in the last folder, or covered, because of R: its appearance is armed, and then looked for
 * again. */
static int folders_arm_absence(Folders *f, const char *name, int r) {
        _cleanup_close_ int fd = -EBADF;
        int last = folders_last(f)->fd;
        if (!f->walk->arm || (r != -ENOENT && r != -EXDEV))
                return r;
        int k = place_arm(f->walk->arm, last, r == -ENOENT ? ARM_MISSING : ARM_COVERED);
        if (k < 0)
                return k;
        k = place_open(last, name, O_DIRECTORY, &fd);
        return k == r ? r : k < 0 ? k : error_origin(-EAGAIN);
}

/* Goes on to NAME; FINAL: it is the folder itself. */
static int folders_step(Folders *f, const char *name, bool final) {
        size_t length = folders_last(f)->length;
        _cleanup_close_ int fd = -EBADF;
        int r = place_open(folders_last(f)->fd, name, O_DIRECTORY, &fd);
        if (r < 0)
                return folders_arm_absence(f, name, r);
        if (!final)
                r = place_arm(f->walk->arm, fd, ARM_ANCESTOR);
        if (r >= 0)
                r = place_path_append(f->path, &length, name);
        if (r >= 0)
                r = folders_push(f, fd, length);
        if (r >= 0)
                (void) TAKE_FD(fd);
        return r;
}

static int folders_go(Folders *f, const char *path) {
        int r = folders_start(f);
        if (r >= 0) {
                folders_go_back(f, path);
                r = folders_reopen(f);
        }
        while (r >= 0) {
                char name[NAME_MAX + 1];
                const char *rest = path + folders_last(f)->length;
                rest += strspn(rest, "/");
                size_t n = strcspn(rest, "/");
                if (n == 0)
                        break;
                if (n >= sizeof(name))
                        return error_origin(-ENAMETOOLONG);
                memcpy(name, rest, n);
                name[n] = 0;
                r = folders_step(f, name, rest[n] == 0);
        }
        return r < 0 ? r : place_arm(f->walk->arm, folders_last(f)->fd, ARM_TREE);
}

/* 1: the path of the last folder leads to it: nothing was moved before it was armed. */
static int folders_lead_there(const Folders *f) {
        _cleanup_close_ int fd = -EBADF;
        struct statx a, b;
        int r = contain_open_nolinks(f->walk->root, *f->path ? f->path : "/", O_PATH | O_DIRECTORY, 0, &fd);
        if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV)
                return 0;
        if (r >= 0)
                r = place_stat(fd, &a);
        if (r >= 0)
                r = place_stat(folders_last(f)->fd, &b);
        if (r < 0)
                return r;
        const PlaceIdentity one = place_identity(&a), other = place_identity(&b);
        return place_identity_equal(&one, &other);
}

static bool is_answer_about_folder(int r) {
        return r >= 0 || r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV;
}

int folders_enter(Folders *f, const char *path, int *ret_fd) {
        assert(f && f->walk && path && path[0] == '/' && ret_fd);
        int r = -EAGAIN;
        for (unsigned i = 0; i < FOLDERS_TRIES && r == -EAGAIN; i++) {
                if (i > 0)
                        folders_done(f);
                r = folders_go(f, path);
                if (!is_answer_about_folder(r) || !f->walk->arm)
                        continue;
                int k = folders_lead_there(f);
                if (k <= 0)
                        r = k < 0 ? k : error_origin(-EAGAIN);
        }
        if (r < 0)
                return r;
        *ret_fd = folders_last(f)->fd;
        return 0;
}

int folders_compare(const char *a, const char *b) {
        assert(a && b);
        while (*a && *a == *b) {
                a++;
                b++;
        }
        unsigned char one = (unsigned char) *a, other = (unsigned char) *b;
        one = one == '/' ? 1 : one > 0 ? (unsigned char) MAX(one, 2) : 0;
        other = other == '/' ? 1 : other > 0 ? (unsigned char) MAX(other, 2) : 0;
        return one == other ? (int) (unsigned char) *a - (int) (unsigned char) *b : (int) one - (int) other;
}
