/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A builder writes by path and as root. This ensures, before it runs, that its paths stay on the volume:
 * there is no symbolic link in the path, nor in its place. It does not help against an owner of the volume
 * who races against the builder; such a volume is not trusted in the first place. */

#include "builder/run/outputs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/failure.h"
#include "tree/contain.h"

void outputs_done(Outputs *o) {
        o->paths = strv_free(o->paths);
        free(o->before);
        *o = OUTPUTS_NULL;
}

static int hash_output_entry(const WalkEntry *e, void *userdata) {
        fingerprint_add(userdata, e, true);
        return 0;
}

/* The state of the output at PATH. *RET is all zero before, and stays so if there is none. */
static int fingerprint_output(int root, const char *path, Fingerprint *ret) {
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        if (!h)
                return error_origin(-ENOMEM);
        int r = walk_source(&(Walk){.root = root}, path, &(Visitor){hash_output_entry, h});
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        *ret = hasher_digest(h);
        return 0;
}

/* The first directory in PATH that is a link, for the message. */
static char *find_link_on_way(int root, const char *path) {
        _cleanup_free_ char *copy = strdup(path);
        for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
                _cleanup_close_ int fd = -EBADF;
                struct stat st;
                *slash = 0;
                if (contain_open_nolinks(root, copy, O_PATH | O_NOFOLLOW, 0, &fd) < 0)
                        return TAKE_PTR(copy);
                if (fstat(fd, &st) >= 0 && S_ISLNK(st.st_mode))
                        return TAKE_PTR(copy);
                *slash = '/';
        }
        return NULL;
}

static int explain_output_parent(int root, const char *path, int r, char **reterr) {
        if (r == -EXDEV)
                return failure(reterr, r, "%s is not on the volume: outputs are not written across mounts",
                               path);
        if (r != -ELOOP)
                return failure_errno(reterr, r, "cannot open the directory of %s", path);
        _cleanup_free_ char *link = find_link_on_way(root, path);
        return failure(reterr, r, "%s is a symbolic link; outputs are not written through links",
                       link ? link : path);
}

static int check_output_place(int root, const char *path, char **reterr) {
        _cleanup_close_ int dirfd = -EBADF;
        _cleanup_free_ char *name = NULL;
        struct stat st;
        int r = contain_make_parent(root, path, 0755, &dirfd, &name);
        if (r < 0)
                return explain_output_parent(root, path, r, reterr);
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : failure_errno(reterr, -errno, "%s", path);
        if (S_ISLNK(st.st_mode))
                return failure(reterr, -ELOOP, "%s is a symbolic link; outputs are not written through links",
                               path);
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
                return failure(reterr, -EINVAL, "%s is neither a regular file nor a directory", path);
        return 0;
}

int outputs_prepare(const FreshnessContext *c, const PlanCache *cache, Outputs *ret, char **reterr) {
        assert(c && cache && ret && !ret->paths);
        _cleanup_(outputs_done) Outputs o = OUTPUTS_NULL;
        int r = plan_outputs(c->plan, cache, &o.paths);
        if (r < 0)
                return r;
        o.before = calloc(cache->cache->n_outputs + 1, sizeof(*o.before));
        if (!o.before)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < cache->cache->n_outputs; i++) {
                r = check_output_place(c->root->fd, o.paths[i], reterr);
                if (r < 0)
                        return r;
                r = fingerprint_output(c->root->fd, o.paths[i], &o.before[i]);
                if (r < 0)
                        return failure_errno(reterr, r, "%s", o.paths[i]);
        }
        *ret = o;
        o = OUTPUTS_NULL;
        return 0;
}

static int make_durable(int dirfd, const char *name) {
        _cleanup_close_ int fd =
                openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_origin(-errno);
        /* a whole tree: syncing its files one by one would cost more than syncing everything */
        if ((S_ISDIR(st.st_mode) ? syncfs(fd) : fsync(fd)) < 0 || fsync(dirfd) < 0)
                return error_origin(-errno);
        return 0;
}

static int settle_output(int root, const char *path, const Fingerprint *before, char **reterr) {
        _cleanup_close_ int dirfd = -EBADF;
        _cleanup_free_ char *name = NULL;
        Fingerprint now = {};
        int r = check_output_place(root, path, reterr);
        if (r < 0)
                return r;
        r = fingerprint_output(root, path, &now);
        if (r < 0)
                return failure_errno(reterr, r, "%s", path);
        if (fingerprint_equal(&now, &(Fingerprint){}))
                return failure(reterr, -ENODATA, "the builder reported success but did not write %s", path);
        if (fingerprint_equal(&now, before))
                return failure(reterr, -ENODATA, "the builder reported success but did not refresh %s", path);
        r = contain_open_parent(root, path, &dirfd, &name);
        if (r >= 0)
                r = make_durable(dirfd, name);
        return r < 0 ? failure_errno(reterr, r, "cannot sync %s", path) : 0;
}

int outputs_settle(const FreshnessContext *c, const Outputs *o, char **reterr) {
        assert(c && (o->before || !o->paths));
        for (size_t i = 0; o->paths && o->paths[i]; i++) {
                int r = settle_output(c->root->fd, o->paths[i], &o->before[i], reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}
