/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An open volume. Only where a whole mount is, is a volume: a folder below one is refused, because a manifest
 * speaks of a whole file system. */

#include "tree/root.h"

#include <bootkeep.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "tree/contain.h"

#define STATE_MODE 0755

Root *root_free(Root *r) {
        if (!r)
                return NULL;
        closep(&r->fd);
        closep(&r->state_fd);
        mount_entry_done(&r->mount);
        free(r->name);
        free(r);
        return NULL;
}

/* A detached copy of the volume's mount, without what is mounted below it. */
static int clone_mount(int root, int *ret_fd) {
        long fd = syscall(SYS_open_tree, root, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (fd < 0)
                return error_origin(-errno);
        *ret_fd = (int) fd;
        return 0;
}

static int reach_state(int root, bool create, int *ret_fd) {
        if (create)
                return contain_make_directory(root, BOOTKEEP_VOLUME_STATE, STATE_MODE, ret_fd);
        return contain_open_nolinks(root, BOOTKEEP_VOLUME_STATE, O_RDONLY | O_DIRECTORY, 0, ret_fd);
}

/* The way to the stamps is the volume's own, also below what is mounted over it: a separate /var has its own
 * stamps to keep, if it is a volume at all. */
static int open_state(int root, bool create, int *ret_fd) {
        int r = reach_state(root, create, ret_fd);
        if (r != -EXDEV)
                return r;
        _cleanup_close_ int clone = -EBADF;
        r = clone_mount(root, &clone);
        return r < 0 ? r : reach_state(clone, create, ret_fd);
}

static int identify(Root *r) {
        struct statx stx;
        if (statx(r->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
                return error_origin(-errno);
        if (!(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
                return error_origin(-EINVAL);
        int q = mount_entry_find(stx.stx_mnt_id, &r->mount);
        if (q <= 0)
                return q < 0 ? q : error_origin(-ENOTBLK);
        return mount_entry_volume_name(&r->mount, &r->name);
}

int root_open(const char *mountpoint, uint64_t mount_id, Root **ret) {
        _cleanup_(root_freep) Root *root = malloc(sizeof(Root));
        if (!root)
                return error_origin(-ENOMEM);
        *root = (Root){.fd = -EBADF, .state_fd = -ENOENT};
        int r = contain_open_root(mountpoint, mount_id, &root->fd);
        if (r >= 0)
                r = identify(root);
        if (r < 0)
                return r;
        r = open_state(root->fd, false, &root->state_fd);
        if (r < 0 && r != -ENOENT && !root_state_problem(r))
                return r;
        if (r < 0)
                root->state_fd = r;
        *ret = TAKE_PTR(root);
        return 0;
}

const char *root_state_problem(int r) {
        switch (r) {
        case -ELOOP:
                return "a symbolic link leads there, stamps are not kept behind links";
        case -ENOTDIR:
                return "something on the way is not a directory";
        }
        return NULL;
}

int root_make_state(Root *r) {
        static const char *const directories[] = {"/caches", "/helpers"};
        _cleanup_close_ int state = -EBADF;
        int q = open_state(r->fd, true, &state);
        for (size_t i = 0; q >= 0 && i < ELEMENTSOF(directories); i++) {
                _cleanup_close_ int fd = -EBADF;
                q = contain_make_directory(state, directories[i], STATE_MODE, &fd);
        }
        if (q < 0)
                return q;
        closep(&r->state_fd);
        r->state_fd = TAKE_FD(state);
        return 0;
}
