/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finds the manifest of a volume and decides whether it may be believed: only root can have put it there. The
 * first place where anything is at all decides; a bad one is never passed over for another, or whoever can
 * break the administrator's could bring back the vendor's. Everything is checked on the descriptor that is
 * then read, so nothing can be swapped in between. */

#include "common/contain.h"
#include "common/manifest.h"
#include "common/refusal.h"

#include "bootkeep.h"

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
                return "writable by others than root";
        if (st->st_size > (off_t) MANIFEST_SIZE_MAX)
                return "larger than 64 KiB";
        return NULL;
}

static int read_trusted(int fd, const char *place, char **ret, size_t *ret_size, char **reterr) {
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        const char *problem = trust_problem(&st);
        if (problem)
                return refusal(reterr, place, 0, "%s", problem);
        int r = contain_read(fd, MANIFEST_SIZE_MAX, ret, ret_size);
        return r == -EFBIG ? refusal(reterr, place, 0, "larger than 64 KiB") : r;
}

/* Where nothing is there is no manifest; nor where a separate /usr lies over the vendor's place. */
static bool is_nothing(const char *place, int r) {
        return r == -ENOENT || r == -ENOTDIR || (r == -EXDEV && streq(place, BOOTKEEP_MANIFEST_VENDOR));
}

/* -ENOENT: nothing there. */
static int load_place(int root, const char *place, const Arm *arm, Manifest **ret, char **reterr) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *resolved = NULL, *text = NULL;
        size_t size = 0;

        int r = walk_resolve(root, place, arm, NULL, NULL, &fd, &resolved);
        if (is_nothing(place, r))
                return -ENOENT;
        const char *problem = refusal_of_way(r);
        if (problem)
                return refusal(reterr, place, 0, "%s", problem);
        if (r < 0)
                return r;
        r = read_trusted(fd, place, &text, &size, reterr);
        return r < 0 ? r : manifest_parse(place, text, size, ret, reterr);
}

int manifest_load(int root, const Arm *arm, Manifest **ret, char **reterr) {
        int r = -ENOENT;
        for (size_t i = 0; i < ELEMENTSOF(places) && r == -ENOENT; i++)
                r = load_place(root, places[i], arm, ret, reterr);
        return r;
}
