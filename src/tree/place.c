/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steps of a walk. Each is one system call or two, on descriptors only: what a path leads to may change
 * at any moment, what a descriptor refers to does not. */

#include "tree/place.h"

#include <bootkeep.h>
#include <fcntl.h>
#include <limits.h>

#include "base/error.h"
#include "base/path.h"
#include "tree/contain.h"

int place_arm(const Arm *arm, int fd, ArmKind kind) {
        assert(fd >= 0);
        assert(kind >= 0 && kind < _ARM_KIND_MAX);
        return arm ? arm->arm(fd, kind, arm->userdata) : 0;
}

int place_stat(int fd, struct statx *ret) {
        assert(fd >= 0 && ret);
        return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, ret) < 0 ? error_origin(-errno) : 0;
}

PlaceIdentity place_identity(const struct statx *stx) {
        assert(stx);
        return (PlaceIdentity){
                .device = (uint64_t) stx->stx_dev_major << 32 | stx->stx_dev_minor,
                .inode = stx->stx_ino,
        };
}

bool place_identity_equal(const PlaceIdentity *a, const PlaceIdentity *b) {
        assert(a && b);
        return a->device == b->device && a->inode == b->inode;
}

int place_open(int dirfd, const char *name, int flags, int *ret_fd) {
        assert(dirfd >= 0 && ret_fd);
        assert(*name && !strchr(name, '/'));
        char path[NAME_MAX + 2];
        if (strlen(name) > NAME_MAX)
                return error_origin(-ENAMETOOLONG);
        (void) snprintf(path, sizeof(path), "/%s", name);
        return contain_open_nolinks(dirfd, path, O_PATH | O_NOFOLLOW | flags, 0, ret_fd);
}

int place_read_link(int dirfd, const char *name, char **ret) {
        assert(dirfd >= 0 && name && ret);
        char target[PLACE_PATH_ROOM];
        ssize_t n = readlinkat(dirfd, name, target, sizeof(target));
        if (n < 0)
                return error_origin(-errno);
        if ((size_t) n == sizeof(target))
                return error_origin(-ENAMETOOLONG);
        char *copy = strndup(target, (size_t) n);
        if (!copy)
                return error_origin(-ENOMEM);
        *ret = copy;
        return 0;
}

int place_path_append(char path[static PLACE_PATH_ROOM], size_t *length, const char *name) {
        assert(*length < PLACE_PATH_ROOM && path[*length] == 0);
        size_t n = strlen(name);
        if (*length + 1 + n >= PLACE_PATH_ROOM)
                return error_origin(-ENAMETOOLONG);
        path[*length] = '/';
        (void) stpcpy(path + *length + 1, name);
        *length += n + 1;
        return 0;
}

/* Our own stamps are written after every build: anything that counted them would never be up to date. */
bool place_is_own_state(const char *path) {
        return path_is_at_or_above(BOOTKEEP_VOLUME_STATE, path);
}
