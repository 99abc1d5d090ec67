/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The helper is the device, not the directory where somebody mounted it: an automounted /boot may be gone,
 * and something else may be mounted there. A superblock already in use is shared, so its options and its
 * read-only state count, not ours. Never held longer than the build: it keeps the device busy. */

#include "helper/privatemount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/failure.h"

#define ATTRIBUTES                                                                                           \
        (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW |                 \
         MOUNT_ATTR_NOATIME)

void privatemount_done(PrivateMount *p) {
        closep(&p->root);
        closep(&p->device);
        *p = PRIVATE_MOUNT_NULL;
}

/* 0 and a context that has its superblock. -ENODEV: no such type of file system. */
static int make_superblock(const Helper *helper, bool read_only, int *ret) {
        _cleanup_close_ int context = fsopen(helper->fs_type, FSOPEN_CLOEXEC);
        if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "source", helper->node, 0) < 0 ||
            (read_only && fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0) ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return error_origin(-errno);
        *ret = TAKE_FD(context);
        return 0;
}

static int explain_mount_error(const Helper *helper, int r, char **reterr) {
        _cleanup_close_ int context = -EBADF;
        if (r == -ENODEV && strstr(helper->fs_type, "_member"))
                return failure(reterr, r, "belongs to an array that is not running, or that runs without it");
        if (r == -ENODEV)
                return failure(reterr, r, "the kernel cannot mount %s", helper->fs_type);
        if (r == -EROFS)
                return failure(reterr, r, "read-only");
        if (r == -EACCES)
                return failure(reterr, r, "the disk is write-protected");
        /* in use and not writable: then it can be mounted read-only */
        if (r == -EBUSY && make_superblock(helper, true, &context) >= 0)
                return failure(reterr, -EROFS, "mounted read-only");
        return failure_errno(reterr, r, "cannot be mounted");
}

static int check_mounted_device(const Helper *helper, int root, char **reterr) {
        struct stat st;
        if (fstat(root, &st) < 0)
                return error_origin(-errno);
        /* file systems on several devices have a device number of their own */
        if (major(st.st_dev) != 0 && st.st_dev != helper->devno)
                return failure(reterr, -ESTALE, "is now a different device");
        return 0;
}

static int open_private_root(const Helper *helper, int *ret, char **reterr) {
        _cleanup_close_ int context = -EBADF;
        int r = make_superblock(helper, false, &context);
        if (r < 0)
                return explain_mount_error(helper, r, reterr);
        _cleanup_close_ int mount = fsmount(context, FSMOUNT_CLOEXEC, ATTRIBUTES);
        if (mount < 0)
                return failure_errno(reterr, -errno, "cannot be mounted");
        _cleanup_close_ int root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return failure_errno(reterr, -errno, "cannot be opened");
        r = check_mounted_device(helper, root, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_FD(root);
        return 0;
}

int privatemount_open(const Helper *helper, PrivateMount *ret, char **reterr) {
        assert(helper->node && ret && ret->root < 0 && ret->device < 0);
        _cleanup_(privatemount_done) PrivateMount p = PRIVATE_MOUNT_NULL;
        struct stat st;
        if (!helper->fs_type)
                return failure(reterr, -ENOMEDIUM, "has no file system");
        p.device = open(helper->node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (p.device < 0 || fstat(p.device, &st) < 0)
                return failure_errno(reterr, -errno, "cannot be opened");
        if (!S_ISBLK(st.st_mode) || st.st_rdev != helper->devno)
                return failure(reterr, -ESTALE, "is now a different device");
        int r = open_private_root(helper, &p.root, reterr);
        if (r < 0)
                return r;
        *ret = p;
        p = PRIVATE_MOUNT_NULL;
        return 0;
}
