/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An open volume. Only a whole mount is a volume: a folder below one is refused, because a manifest describes
 * a whole file system. It refuses to write anything except the folders of the stamps. */

#include "tree/root.h"

#include <bootkeep.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "tree/contain.h"

#define STATE_MODE 0755

Root *root_free(Root *root) {
        if (!root)
                return NULL;
        closep(&root->fd);
        closep(&root->state_fd);
        mount_entry_done(&root->mount);
        free(root->name);
        free(root);
        return NULL;
}

/* A detached copy of the volume's mount, without what is mounted below it. */
static int root_clone_mount(int root, int *ret_fd) {
        long fd = syscall(SYS_open_tree, root, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (fd < 0)
                return error_origin(-errno);
        *ret_fd = (int) fd;
        return 0;
}

static int state_open_beneath(int root, bool create, int *ret_fd) {
        if (create)
                return contain_make_directory(root, BOOTKEEP_VOLUME_STATE, STATE_MODE, ret_fd);
        return contain_open_nolinks(root, BOOTKEEP_VOLUME_STATE, O_RDONLY | O_DIRECTORY, 0, ret_fd);
}

/* Is MOUNT the folder of the stamps, mounted on itself? */
static bool is_state_itself(const Root *root, const MountEntry *mount) {
        const char *below = startswith(mount->root, streq(root->mount.root, "/") ? "" : root->mount.root);
        return mount->devno == root->mount.devno && below && streq(below, BOOTKEEP_VOLUME_STATE);
}

/* As systemd mounts it for a service that may write there and nowhere else: nothing is hidden by that. */
static int state_open_itself(const Root *root, int *ret_fd) {
        _cleanup_(mount_entry_done) MountEntry mount = MOUNT_ENTRY_NULL;
        _cleanup_close_ int fd = -EBADF;
        struct statx stx;
        int r = contain_open_across(root->fd, BOOTKEEP_VOLUME_STATE, &fd);
        if (r < 0)
                return r;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
                return error_origin(-errno);
        r = stx.stx_attributes & STATX_ATTR_MOUNT_ROOT ? mount_entry_find(stx.stx_mnt_id, &mount) : 0;
        if (r <= 0 || !is_state_itself(root, &mount))
                return r < 0 ? r : error_origin(-EXDEV);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* The path to the stamps is that of the volume itself, even below a mount: a separate /var keeps its own
 * stamps, if it is a volume at all. */
static int state_open(const Root *root, bool create, int *ret_fd) {
        int r = state_open_beneath(root->fd, create, ret_fd);
        if (r != -EXDEV)
                return r;
        if (state_open_itself(root, ret_fd) >= 0)
                return 0;
        _cleanup_close_ int clone = -EBADF;
        r = root_clone_mount(root->fd, &clone);
        /* somebody else may look, see root_take_state(); EINVAL: it is a mount of another namespace */
        if (r == -EPERM || r == -EINVAL)
                return error_origin(-EXDEV);
        return r < 0 ? r : state_open_beneath(clone, create, ret_fd);
}

/* MOUNTINFO: the mount table that it is in; NULL: ours. */
static int root_identify(Root *root, FILE *mountinfo) {
        struct statx stx;
        if (statx(root->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
                return error_origin(-errno);
        if (!(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
                return error_origin(-EINVAL);
        int r = mountinfo ? mount_entry_find_in(mountinfo, stx.stx_mnt_id, &root->mount)
                          : mount_entry_find(stx.stx_mnt_id, &root->mount);
        if (r <= 0)
                return r < 0 ? r : error_origin(-ENOTBLK);
        return mount_entry_volume_name(&root->mount, &root->name);
}

static Root *new_root(void) {
        Root *root = malloc(sizeof(*root));
        if (root)
                *root = (Root){.fd = -EBADF, .state_fd = -ENOENT};
        return root;
}

int root_open(const char *mountpoint, uint64_t mount_id, Root **ret) {
        assert(mountpoint && ret);
        _cleanup_(root_freep) Root *root = new_root();
        if (!root)
                return error_origin(-ENOMEM);
        int r = contain_open_root(mountpoint, mount_id, &root->fd);
        if (r >= 0)
                r = root_identify(root, NULL);
        if (r < 0)
                return r;
        r = state_open(root, false, &root->state_fd);
        if (r < 0 && r != -ENOENT && !root_state_problem(r))
                return r;
        if (r < 0)
                root->state_fd = r;
        *ret = TAKE_PTR(root);
        return 0;
}

/* A copy of FD; an error in its place stays one. */
static int copy_descriptor(int fd, int *ret) {
        int copy = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (fd >= 0 && copy < 0)
                return error_origin(-errno);
        *ret = copy;
        return 0;
}

int root_adopt(const RootDescriptors *descriptors, Root **ret) {
        assert(descriptors->root >= 0 && descriptors->mountinfo >= 0 && ret);
        _cleanup_(root_freep) Root *root = new_root();
        _cleanup_close_ int table = -EBADF;
        if (!root)
                return error_origin(-ENOMEM);
        int r = copy_descriptor(descriptors->root, &root->fd);
        if (r >= 0)
                r = copy_descriptor(descriptors->state, &root->state_fd);
        if (r >= 0)
                r = copy_descriptor(descriptors->mountinfo, &table);
        if (r < 0)
                return r;
        _cleanup_fclose_ FILE *mountinfo = fdopen(table, "re");
        if (!mountinfo)
                return error_origin(-ENOMEM);
        table = -EBADF;
        r = root_identify(root, mountinfo);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(root);
        return 0;
}

bool root_is_running(const Root *root) {
        assert(root);
        struct stat a, b;
        return streq(root->mount.target, "/") && stat("/", &a) >= 0 && fstat(root->fd, &b) >= 0 &&
               a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

const char *root_open_problem(int r) {
        switch (r) {
        case -EINVAL:
                return "is not a mount point";
        case -ENOTBLK:
                return "is not on a block device";
        case -ESTALE:
                return "is a different mount now";
        }
        return NULL;
}

const char *root_state_problem(int r) {
        switch (r) {
        case -ELOOP:
                return "symbolic links in this path are not followed";
        case -ENOTDIR:
                return "a component of this path is not a directory";
        case -EXDEV:
                return "something is mounted over this path, and to look below it requires CAP_SYS_ADMIN";
        }
        return NULL;
}

int root_take_state(Root *root, int fd) {
        assert(root && root->state_fd == -EXDEV && fd >= 0);
        _cleanup_close_ int taken = fd;
        struct stat volume, state;
        if (fstat(root->fd, &volume) < 0 || fstat(taken, &state) < 0)
                return error_origin(-errno);
        if (!S_ISDIR(state.st_mode) || state.st_dev != volume.st_dev)
                return error_origin(-EXDEV);
        root->state_fd = TAKE_FD(taken);
        return 0;
}

int root_make_state(Root *root) {
        assert(root && root->fd >= 0);
        static const char *const directories[] = {"/caches", "/helpers"};
        _cleanup_close_ int state = -EBADF;
        int r = root->state_fd >= 0 ? copy_descriptor(root->state_fd, &state)
                                    : state_open(root, true, &state);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(directories); i++) {
                _cleanup_close_ int fd = -EBADF;
                r = contain_make_directory(state, directories[i], STATE_MODE, &fd);
        }
        if (r < 0)
                return r;
        closep(&root->state_fd);
        root->state_fd = TAKE_FD(state);
        return 0;
}
