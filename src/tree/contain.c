/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Contained opens. Nothing here compares path strings to find out what is inside: the kernel refuses to leave
 * the root while it resolves a path, so there is no gap between check and use.
 *
 * RESOLVE_NO_XDEV is essential: BENEATH and IN_ROOT alone would enter whatever is mounted below. */

#include "tree/contain.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "base/error.h"

#define RESOLVE_TRIES 64U
#define PATH_BYTES_MAX 4095U

/* What every open here asks of the kernel, besides RESOLVE. */
static struct open_how how_to_open(int flags, mode_t mode, uint64_t resolve) {
        return (struct open_how){
                .flags = (uint64_t) (flags | O_CLOEXEC),
                .mode = flags & O_CREAT ? mode : 0,
                .resolve = resolve | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
        };
}

static int open_contained(int dirfd, const char *path, struct open_how how, int *ret_fd) {
        assert(dirfd >= 0 && ret_fd);
        for (unsigned i = 0; i < RESOLVE_TRIES; i++) {
                long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
                if (fd >= 0) {
                        *ret_fd = (int) fd;
                        return 0;
                }
                if (errno == ENOENT) /* a result like any other */
                        return -ENOENT;
                /* EAGAIN: something was renamed while ".." or a link was resolved */
                if (errno != EAGAIN && errno != EINTR)
                        return error_origin(-errno);
        }
        return error_origin(-EAGAIN);
}

int contain_open_root(const char *mountpoint, uint64_t mount_id, int *ret_fd) {
        assert(mountpoint && ret_fd);
        _cleanup_close_ int fd = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_origin(-errno);
        if (mount_id != 0) {
                struct statx stx;
                if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
                        return error_origin(-errno);
                if (stx.stx_mnt_id != mount_id)
                        return error_origin(-ESTALE);
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int contain_open(int root, const char *path, int flags, mode_t mode, int *ret_fd) {
        if (path[0] != '/')
                return error_origin(-EINVAL);
        return open_contained(root, path, how_to_open(flags, mode, RESOLVE_IN_ROOT), ret_fd);
}

int contain_open_nolinks(int root, const char *path, int flags, mode_t mode, int *ret_fd) {
        if (path[0] != '/')
                return error_origin(-EINVAL);
        path += strspn(path, "/");
        const struct open_how how = how_to_open(flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        return open_contained(root, *path ? path : ".", how, ret_fd);
}

int contain_open_across(int root, const char *path, int *ret_fd) {
        if (path[0] != '/')
                return error_origin(-EINVAL);
        struct open_how how = how_to_open(O_RDONLY | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        how.resolve &= ~(uint64_t) RESOLVE_NO_XDEV;
        return open_contained(root, path + strspn(path, "/"), how, ret_fd);
}

/* The directory NAME in DIRFD, made if it is missing. It is durable in its parent directory before it is
 * used. */
static int enter_directory(int dirfd, const char *name, mode_t mode, int *ret_fd) {
        const struct open_how how =
                how_to_open(O_RDONLY | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        int r = open_contained(dirfd, name, how, ret_fd);
        if (r != -ENOENT)
                return r;
        if (mkdirat(dirfd, name, mode) < 0) {
                if (errno != EEXIST) /* somebody else was faster */
                        return error_origin(-errno);
        } else if (fsync(dirfd) < 0)
                return error_origin(-errno);
        return open_contained(dirfd, name, how, ret_fd);
}

int contain_make_directory(int root, const char *path, mode_t mode, int *ret_dirfd) {
        _cleanup_close_ int fd = -EBADF;
        if (!contain_path_is_valid(path))
                return error_origin(-EINVAL);
        _cleanup_free_ char *parts = strdup(path);
        if (!parts)
                return error_origin(-ENOMEM);
        int r = contain_open_nolinks(root, "/", O_RDONLY | O_DIRECTORY, 0, &fd);
        char *state = NULL;
        for (char *name = strtok_r(parts, "/", &state); r >= 0 && name; name = strtok_r(NULL, "/", &state)) {
                int next = -EBADF;
                r = enter_directory(fd, name, mode, &next);
                if (r >= 0) {
                        close(fd);
                        fd = next;
                }
        }
        if (r < 0)
                return r;
        *ret_dirfd = TAKE_FD(fd);
        return 0;
}

/* Splits PATH into its directory and its last part. */
static int split_last_part(const char *path, char **ret_parent, char **ret_name) {
        assert(path && ret_parent && ret_name);
        if (!contain_path_is_valid(path) || streq(path, "/"))
                return error_origin(-EINVAL);
        const char *last = strrchr(path, '/');
        _cleanup_free_ char *name = strdup(last + 1);
        _cleanup_free_ char *parent = strndup(path, last == path ? 1 : (size_t) (last - path));
        if (!name || !parent)
                return error_origin(-ENOMEM);
        *ret_parent = TAKE_PTR(parent);
        *ret_name = TAKE_PTR(name);
        return 0;
}

int contain_open_parent(int root, const char *path, int *ret_dirfd, char **ret_name) {
        _cleanup_free_ char *parent = NULL, *name = NULL;
        int r = split_last_part(path, &parent, &name);
        if (r >= 0)
                r = contain_open_nolinks(root, parent, O_RDONLY | O_DIRECTORY, 0, ret_dirfd);
        if (r >= 0)
                *ret_name = TAKE_PTR(name);
        return r;
}

int contain_make_parent(int root, const char *path, mode_t mode, int *ret_dirfd, char **ret_name) {
        _cleanup_free_ char *parent = NULL, *name = NULL;
        int r = split_last_part(path, &parent, &name);
        if (r >= 0)
                r = contain_make_directory(root, parent, mode, ret_dirfd);
        if (r >= 0)
                *ret_name = TAKE_PTR(name);
        return r;
}

int contain_reopen(int fd, int flags, int *ret_fd) {
        assert(fd >= 0 && ret_fd);
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%i", fd);
        int opened = open(path, flags | O_NONBLOCK | O_CLOEXEC);
        if (opened < 0)
                return error_origin(-errno);
        *ret_fd = opened;
        return 0;
}

/* Reads FD to its end. The size of the file is only a first guess: it may grow meanwhile. */
static int read_to_end(int fd, size_t expected, size_t max, char **ret, size_t *ret_size) {
        _cleanup_free_ char *buffer = NULL;
        size_t size = 0, room = MIN(expected, max) + 1;
        for (;;) {
                char *bigger = realloc(buffer, room + 1);
                if (!bigger)
                        return error_origin(-ENOMEM);
                buffer = bigger;
                ssize_t n = read(fd, buffer + size, room - size);
                if (n < 0 && errno != EINTR)
                        return error_origin(-errno);
                if (n == 0)
                        break;
                size += n > 0 ? (size_t) n : 0;
                if (size > max)
                        return error_origin(-EFBIG);
                if (size == room)
                        room = MIN(room * 2, max + 1);
        }
        buffer[size] = 0;
        *ret = TAKE_PTR(buffer);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int contain_read(int fd, size_t max, char **ret, size_t *ret_size) {
        assert(fd >= 0 && ret);
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (!S_ISREG(st.st_mode))
                return error_origin(-EINVAL);
        if ((uintmax_t) st.st_size > max)
                return error_origin(-EFBIG);
        _cleanup_close_ int file = -EBADF;
        int r = contain_reopen(fd, O_RDONLY, &file);
        if (r < 0)
                return r;
        return read_to_end(file, (size_t) st.st_size, max, ret, ret_size);
}

bool contain_path_is_valid(const char *path) {
        assert(path);
        if (path[0] != '/' || strlen(path) > PATH_BYTES_MAX)
                return false;
        if (streq(path, "/"))
                return true;
        while (*path == '/') {
                const char *part = path + 1;
                size_t n = strcspn(part, "/");
                if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
                        return false;
                path = part + n;
        }
        return true;
}
