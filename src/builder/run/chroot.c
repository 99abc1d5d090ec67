/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Everything is attached by descriptor: a volume in which /proc is a link to somewhere else gets no mount
 * there, and nothing mounted here is visible to anyone else or outlives the builder. */

#include "builder/run/chroot.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/error.h"
#include "tree/contain.h"

typedef struct Part {
        const char *path;
        uint64_t attributes;
        bool empty; /* a new tmpfs, not the host's */
} Part;

static const Part parts[] = {
        {.path = "/proc", .attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC},
        {.path = "/sys", .attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID},
        {.path = "/dev"},
        {.path = "/run", .attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, .empty = true},
};

/* A detached copy of what is mounted at PATH below AT, changed to ATTR. Never shared: the copy of a shared
 * mount would be its peer, and what we mount on one would show up on the other. */
static int clone_tree(int at, const char *path, struct mount_attr attr, int *ret) {
        _cleanup_close_ int fd = open_tree(
                at, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | (*path ? 0 : AT_EMPTY_PATH));
        if (fd < 0)
                return error_origin(-errno);
        if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
                return error_origin(-errno);
        *ret = TAKE_FD(fd);
        return 0;
}

static int clone_part(const Part *part, int *ret) {
        return clone_tree(AT_FDCWD, part->path,
                          (struct mount_attr){.attr_set = part->attributes, .propagation = MS_PRIVATE}, ret);
}

static int new_tmpfs(uint64_t attributes, int *ret) {
        _cleanup_close_ int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
        if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return error_origin(-errno);
        int fd = fsmount(context, FSMOUNT_CLOEXEC, (unsigned) attributes);
        if (fd < 0)
                return error_origin(-errno);
        *ret = fd;
        return 0;
}

static int open_parts(int fds[static ELEMENTSOF(parts)], const char **ret_what) {
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                int r = parts[i].empty ? new_tmpfs(parts[i].attributes, &fds[i])
                                       : clone_part(&parts[i], &fds[i]);
                if (r < 0) {
                        *ret_what = parts[i].path;
                        return r;
                }
        }
        return 0;
}

static int attach_parts(int tree, const int fds[static ELEMENTSOF(parts)], const char **ret_what) {
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                _cleanup_close_ int place = -EBADF;
                int r = contain_open_nolinks(tree, parts[i].path, O_PATH | O_DIRECTORY, 0, &place);
                if (r < 0)
                        continue; /* not there, a link, or something is mounted there already */
                if (move_mount(fds[i], "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
                    0) {
                        *ret_what = parts[i].path;
                        return error_origin(-errno);
                }
        }
        return 0;
}

static int change_root(int tree, const char **ret_what) {
        *ret_what = "chroot";
        if (fchdir(tree) < 0 || chroot(".") < 0 || chdir("/") < 0)
                return error_origin(-errno);
        return 0;
}

/* Before unshare: a mount of another namespace is not ours to copy. */
int chroot_clone(int root, uint64_t propagation, int *ret) {
        assert(root >= 0 && ret);
        return clone_tree(root, "", (struct mount_attr){.propagation = propagation}, ret);
}

int chroot_enter(int tree, const char **ret_what) {
        assert(tree >= 0 && ret_what);
        int fds[ELEMENTSOF(parts)];
        int r = open_parts(fds, ret_what);
        if (r < 0)
                return r;
        *ret_what = "mount namespace";
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_origin(-errno);
        r = attach_parts(tree, fds, ret_what);
        if (r < 0)
                return r;
        return change_root(tree, ret_what);
}
