/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/buildfolder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"

int buildfolder_write(int folder, const char *name, const char *data, size_t size) {
        _cleanup_free_ char *temporary = NULL;
        int r = strprintf(&temporary, ".%s", name);
        if (r < 0)
                return r;
        _cleanup_close_ int fd =
                openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_origin(-errno);
        r = write_all(fd, data, size);
        if (r >= 0 && renameat(folder, temporary, folder, name) < 0)
                r = error_origin(-errno);
        if (r < 0)
                (void) unlinkat(folder, temporary, 0);
        return r;
}

int buildfolder_read(int folder, const char *name, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        _cleanup_free_ char *data = NULL;
        size_t used = 0;
        if (fd < 0)
                return error_origin(-errno);
        data = malloc(BUILDFOLDER_SIZE_MAX + 1);
        if (!data)
                return error_origin(-ENOMEM);
        for (;;) {
                ssize_t n = read(fd, data + used, BUILDFOLDER_SIZE_MAX + 1 - used);
                if (n < 0 && errno != EINTR)
                        return error_origin(-errno);
                if (n == 0)
                        break;
                used += n > 0 ? (size_t) n : 0;
                if (used > BUILDFOLDER_SIZE_MAX)
                        return error_origin(-EFBIG);
        }
        data[used] = 0;
        *ret = TAKE_PTR(data);
        *ret_size = used;
        return 0;
}

int buildfolder_write_arguments(int folder, char *const *argv) {
        size_t size = 0;
        for (char *const *a = argv; *a; a++)
                size += strlen(*a) + 1;
        if (size > BUILDFOLDER_SIZE_MAX)
                return error_origin(-E2BIG);
        _cleanup_free_ char *data = malloc(size + 1);
        if (!data)
                return error_origin(-ENOMEM);
        char *end = data;
        for (char *const *a = argv; *a; a++)
                end = stpcpy(end, *a) + 1;
        return buildfolder_write(folder, BUILDFOLDER_ARGUMENTS, data, size);
}

int buildfolder_read_arguments(int folder, char ***ret) {
        _cleanup_free_ char *data = NULL;
        _cleanup_strv_free_ char **argv = NULL;
        size_t size = 0;
        int r = buildfolder_read(folder, BUILDFOLDER_ARGUMENTS, &data, &size);
        if (r < 0)
                return r;
        if (size == 0 || data[size - 1] != 0)
                return error_origin(-EBADMSG);
        for (const char *a = data; a < data + size; a += strlen(a) + 1) {
                r = strv_extend(&argv, a);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(argv);
        return 0;
}

int buildfolder_claim(int report) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(report, F_SETLK, &whole) < 0)
                return error_origin(errno == EACCES ? -EAGAIN : -errno);
        return 0;
}

pid_t buildfolder_claimed_by(int report) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        return fcntl(report, F_GETLK, &whole) < 0 || whole.l_type == F_UNLCK ? 0 : whole.l_pid;
}
