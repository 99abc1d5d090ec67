/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/pin.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/error.h"

/* A lookup of names in memory also fails if something is renamed or mounted just then. */
#define TRIES 10U

/* A mount keeps its path in memory. If that is not enough, because the path leads through a server that is
 * asked for each step (NFS, FUSE), the mount is not held: the server may not respond. */
static int open_cached(const char *target) {
        struct open_how how = {
                .flags = O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
                .resolve = RESOLVE_CACHED,
        };
        long fd = -1;
        errno = EAGAIN;
        for (unsigned i = 0; i < TRIES && fd < 0 && errno == EAGAIN; i++)
                fd = syscall(SYS_openat2, AT_FDCWD, target, &how, sizeof(how));
        if (fd < 0 && (errno == EINVAL || errno == ENOSYS)) /* before Linux 5.12 */
                return open(target, (int) how.flags);
        return (int) fd;
}

/* The id of the mount that PATH is on, 0: unknown. */
static uint64_t mount_of(int fd, const char *path) {
        struct statx stx;
        if (statx(fd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
                return 0;
        return stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0;
}

/* Where nothing, or another file system, is mounted in our own namespace, that is seen without its mount
 * table, which may be long. The device of btrfs is anonymous here, and not in a MountEntry. */
static bool is_elsewhere(int fd, const MountEntry *mount) {
        struct statx stx;
        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
                return false;
        if (stx.stx_attributes_mask & ~stx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return true;
        return stx.stx_dev_major != 0 && makedev(stx.stx_dev_major, stx.stx_dev_minor) != mount->devno;
}

/* 1: what FD is open on, in our own namespace, is the same as MOUNT in the other one; 0; negative errno. */
static int is_counterpart(int fd, const MountEntry *mount) {
        _cleanup_(mount_entry_done) MountEntry own = MOUNT_ENTRY_NULL;
        if (is_elsewhere(fd, mount))
                return 0;
        int r = mount_entry_find(mount_of(fd, ""), &own);
        if (r <= 0)
                return r;
        return own.devno == mount->devno && streq(own.root, mount->root) && streq(own.target, mount->target);
}

int pin_mount(const MountEntry *mount, bool apart, int *ret) {
        assert(mount && mount->target && ret);
        _cleanup_close_ int fd = open_cached(mount->target);
        if (fd < 0)
                return error_origin(-errno);
        int r = apart ? is_counterpart(fd, mount) : mount_of(fd, "") == mount->id;
        if (r <= 0)
                return r < 0 ? r : error_origin(-ESTALE);
        *ret = TAKE_FD(fd);
        return 0;
}

/* From the root of an attached mount ".." leads out of it; but from "/" nothing does. */
static bool is_attached(int fd) {
        uint64_t own = mount_of(fd, "");
        return mount_of(fd, "..") != own || mount_of(AT_FDCWD, "/") == own;
}

/* Closes FD once GONE shows that the parent has closed it, and thus as the last one. */
static void close_last(int fd, int gone) {
        char c;
        (void) dup2(fd, STDIN_FILENO);
        (void) dup2(gone, STDOUT_FILENO);
        (void) close_range(STDERR_FILENO, ~0U, 0);
        while (read(STDOUT_FILENO, &c, 1) < 0 && errno == EINTR)
                ;
        _exit(EXIT_SUCCESS);
}

/* By a child of a child, which nobody waits for. */
static void close_elsewhere(int fd) {
        int pipe_fd[2];
        if (pipe2(pipe_fd, O_CLOEXEC) < 0) {
                close(fd);
                return;
        }
        pid_t pid = fork();
        if (pid == 0) {
                close(pipe_fd[1]);
                if (fork() == 0)
                        close_last(fd, pipe_fd[0]);
                _exit(EXIT_SUCCESS);
        }
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        close(fd);
        close(pipe_fd[0]);
        close(pipe_fd[1]);
}

void pin_release(int fd) {
        if (fd < 0)
                return;
        if (is_attached(fd))
                close(fd);
        else
                close_elsewhere(fd);
}
