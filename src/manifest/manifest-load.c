/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finds the manifest of a volume and decides whether to honour it: only if nobody but root can have put it
 * there. The first place where there is anything at all counts, even a dangling symbolic link; a bad one is
 * never passed over for another, or anybody able to break the administrator's could bring back the vendor's.
 * Everything is checked on the descriptor that is then read, so nothing can be swapped in between. */

#include <bootkeep.h>
#include <fcntl.h>

#include "base/error.h"
#include "manifest/manifest.h"
#include "manifest/ownership.h"
#include "manifest/refusal.h"
#include "tree/contain.h"

static const char *const sites[] = {
        BOOTKEEP_MANIFEST_ADMIN,
        BOOTKEEP_MANIFEST_VENDOR,
};

/* One place where a manifest can be, and the way there. */
typedef struct Site {
        const Walk *walk;
        const char *path;
        char **links;      /* passed on the way, strv */
        char *broken_link; /* the one of them that the way ends at, "LINK is a symbolic link to TARGET"; or
                              NULL */
        char **reterr;
} Site;

static void site_done(Site *s) {
        strv_free(s->links);
        free(s->broken_link);
}

#define site_refuse(s, ...) refusal((s)->reterr, (s)->path, 0, __VA_ARGS__)

/* The visitor of the way. */
static int site_note_link(const WalkEntry *entry, void *userdata) {
        Site *s = userdata;
        assert(entry->target);
        if (entry->broken &&
            strprintf(&s->broken_link, "%s is a symbolic link to %s", entry->path, entry->target) < 0)
                return error_origin(-ENOMEM);
        return strv_extend(&s->links, entry->path);
}

/* The path could not be followed, because of R. -ENOENT: nothing is there, and nothing is wrong with that. */
static int site_unreachable(const Site *s, int r) {
        bool nothing = r == -ENOENT || r == -ENOTDIR;
        const char *problem = nothing ? "nothing is there" : refusal_of_way(r);
        if (s->broken_link && problem)
                return site_refuse(s, "%s: %s", s->broken_link, problem);
        /* a separate /usr covers the vendor's place */
        if (nothing || (r == -EXDEV && streq(s->path, BOOTKEEP_MANIFEST_VENDOR)))
                return -ENOENT;
        return problem ? site_refuse(s, "%s", problem) : r;
}

static int site_read(const Site *s, int fd, char **ret, size_t *ret_size) {
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        const char *problem = ownership_problem_of_file(&st);
        if (problem)
                return site_refuse(s, "%s", problem);
        int r = contain_read(fd, MANIFEST_SIZE_MAX, ret, ret_size);
        return r == -EFBIG ? site_refuse(s, "larger than 64 KiB") : r;
}

static int stat_is_roots(int fd, bool *ret) {
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        *ret = ownership_is_roots_folder(&st);
        return 0;
}

static int site_check_folder(const Site *s, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        bool good = false;
        int r = contain_open_nolinks(s->walk->root, path, O_PATH | O_DIRECTORY, 0, &fd);
        if (r >= 0)
                r = stat_is_roots(fd, &good);
        if (r >= 0 && !good) { /* so that a correction is noticed */
                r = place_arm(s->walk->arm, fd, ARM_NODE);
                if (r >= 0)
                        r = stat_is_roots(fd, &good);
        }
        if (r < 0)
                return r == -ENOENT ? error_origin(-EAGAIN) : r; /* it was there a moment ago */
        return good ? 0 : site_refuse(s, "%s is writable by users other than root", path);
}

/* Anybody who can change a folder can put any file that belongs to root into it. */
static int site_check_folders_of(const Site *s, const char *path) {
        int r = site_check_folder(s, "/");
        for (const char *slash = path; r >= 0 && (slash = strchr(slash + 1, '/'));) {
                _cleanup_free_ char *folder = strndup(path, (size_t) (slash - path));
                r = folder ? site_check_folder(s, folder) : error_origin(-ENOMEM);
        }
        return r;
}

static int site_check_way(const Site *s, const char *resolved) {
        int r = site_check_folders_of(s, resolved);
        for (char **link = s->links; r >= 0 && link && *link; link++)
                r = site_check_folders_of(s, *link);
        return r;
}

/* -ENOENT: nothing is there. */
static int site_load(Site *s, Manifest **ret) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *resolved = NULL, *text = NULL;
        size_t size = 0;
        int r = walk_resolve(s->walk, s->path, &(Visitor){site_note_link, s}, &fd, &resolved);
        if (r < 0)
                return site_unreachable(s, r);
        r = site_check_way(s, resolved);
        if (r >= 0)
                r = site_read(s, fd, &text, &size);
        return r < 0 ? r : manifest_parse(s->path, text, size, ret, s->reterr);
}

int manifest_load(const Walk *walk, Manifest **ret, char **reterr) {
        assert(walk && ret && reterr);
        int r = -ENOENT;
        for (size_t i = 0; r == -ENOENT && i < ELEMENTSOF(sites); i++) {
                _cleanup_(site_done) Site s = {.walk = walk, .path = sites[i], .reterr = reterr};
                r = site_load(&s, ret);
        }
        return r;
}
