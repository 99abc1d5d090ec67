/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finds the manifest of a volume and decides whether it may be believed: only root can have put it there. The
 * first place where anything is at all decides; a bad one is never passed over for another, or whoever can
 * break the administrator's could bring back the vendor's. Everything is checked on the descriptor that is
 * then read, so nothing can be swapped in between. */

#include <bootkeep.h>
#include <fcntl.h>

#include "base/error.h"
#include "manifest/manifest.h"
#include "manifest/refusal.h"
#include "tree/contain.h"

static const char *const places[] = {
        BOOTKEEP_MANIFEST_ADMIN,
        BOOTKEEP_MANIFEST_VENDOR,
};

/* Why what is there cannot be believed, NULL: it can. */
static const char *trust_problem(const struct stat *st) {
        if (!S_ISREG(st->st_mode))
                return "not a regular file";
        if (st->st_uid != 0)
                return "not owned by root";
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return "writable by users other than root";
        if (st->st_size > (off_t) MANIFEST_SIZE_MAX)
                return "larger than 64 KiB";
        return NULL;
}

static int read_trusted(int fd, const char *place, char **ret, size_t *ret_size, char **reterr) {
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        const char *problem = trust_problem(&st);
        if (problem)
                return refusal(reterr, place, 0, "%s", problem);
        int r = contain_read(fd, MANIFEST_SIZE_MAX, ret, ret_size);
        return r == -EFBIG ? refusal(reterr, place, 0, "larger than 64 KiB") : r;
}

/* One place, and the way to it. */
typedef struct Place {
        const Walk *walk;
        const char *path;
        char **links; /* passed on the way, strv */
        char **reterr;
} Place;

static void place_done(Place *p) {
        strv_free(p->links);
}

static int on_link(const WalkEntry *entry, void *userdata) {
        Place *p = userdata;
        return strv_extend(&p->links, entry->path);
}

static int stat_roots_alone(int fd, bool *ret) {
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        bool others = st.st_mode & S_IWOTH || (st.st_mode & S_IWGRP && st.st_gid != 0);
        *ret = st.st_uid == 0 && !others;
        return 0;
}

static int check_folder(const Place *p, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        bool good = false;
        int r = contain_open_nolinks(p->walk->root, path, O_PATH | O_DIRECTORY, 0, &fd);
        if (r >= 0)
                r = stat_roots_alone(fd, &good);
        const Arm *arm = p->walk->arm;
        if (r >= 0 && !good && arm) { /* so that its mending is seen */
                r = arm->arm(fd, ARM_NODE, arm->userdata);
                if (r >= 0)
                        r = stat_roots_alone(fd, &good);
        }
        if (r < 0)
                return r == -ENOENT ? error_origin(-EAGAIN) : r; /* it was there a moment ago */
        return good ? 0 : refusal(p->reterr, p->path, 0, "%s is writable by users other than root", path);
}

/* Who may change a folder can put any file of root's into it. */
static int check_folders_of(const Place *p, const char *path) {
        int r = check_folder(p, "/");
        for (const char *s = path; r >= 0 && (s = strchr(s + 1, '/'));) {
                _cleanup_free_ char *folder = strndup(path, (size_t) (s - path));
                r = folder ? check_folder(p, folder) : error_origin(-ENOMEM);
        }
        return r;
}

static int check_way(const Place *p, const char *resolved) {
        int r = check_folders_of(p, resolved);
        for (char **link = p->links; r >= 0 && link && *link; link++)
                r = check_folders_of(p, *link);
        return r;
}

/* Where nothing is there is no manifest; nor where a separate /usr lies over the vendor's place. */
static bool is_nothing(const Place *p, int r) {
        return r == -ENOENT || r == -ENOTDIR || (r == -EXDEV && streq(p->path, BOOTKEEP_MANIFEST_VENDOR));
}

/* -ENOENT: nothing there. */
static int load_place(Place *p, Manifest **ret) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *resolved = NULL, *text = NULL;
        size_t size = 0;

        int r = walk_resolve(p->walk, p->path, &(Visitor){on_link, p}, &fd, &resolved);
        if (is_nothing(p, r))
                return error_origin(-ENOENT);
        const char *problem = refusal_of_way(r);
        if (problem)
                return refusal(p->reterr, p->path, 0, "%s", problem);
        if (r >= 0)
                r = check_way(p, resolved);
        if (r >= 0)
                r = read_trusted(fd, p->path, &text, &size, p->reterr);
        return r < 0 ? r : manifest_parse(p->path, text, size, ret, p->reterr);
}

/* Is there a link in the place itself? Where that leads nowhere there is no manifest, but something is. */
static bool is_linked(const Place *p) {
        const char *name = strrchr(p->path, '/');
        for (char **link = p->links; link && *link; link++)
                if (streq(strrchr(*link, '/'), name))
                        return true;
        return false;
}

int manifest_load(const Walk *walk, Manifest **ret, char **reterr) {
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                _cleanup_(place_done) Place p = {.walk = walk, .path = places[i], .reterr = reterr};
                int r = load_place(&p, ret);
                if (r != -ENOENT || is_linked(&p))
                        return r;
        }
        return error_origin(-ENOENT);
}
