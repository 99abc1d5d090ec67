/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/lookupcaller.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/uio.h>

#include "base/error.h"

#define CHUNK 256U
#define PAGE_MIN 4096U /* of any machine */

/* What lies in one page is there or is not, as a whole; and most paths are short. */
int lookupcaller_read_string(pid_t pid, uint64_t address, char ret[static PATH_MAX]) {
        size_t size = 0;
        while (size < PATH_MAX) {
                size_t page = PAGE_MIN - (address + size) % PAGE_MIN,
                       n = MIN(MIN(CHUNK, page), PATH_MAX - size);
                int r = lookupcaller_read(pid, address + size, ret + size, n);
                if (r < 0)
                        return r;
                if (memchr(ret + size, 0, n))
                        return 0;
                size += n;
        }
        return error_origin(-ENAMETOOLONG);
}

int lookupcaller_read(pid_t pid, uint64_t address, void *ret, size_t size) {
        const struct iovec local = {ret, size};
        struct iovec remote = {.iov_len = size};
        if (address > UINTPTR_MAX)
                return error_origin(-EFAULT);
        const uintptr_t there = (uintptr_t) address;
        memcpy(&remote.iov_base, &there, sizeof(there));
        ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
        return n == (ssize_t) size ? 0 : error_origin(n < 0 ? -errno : -EFAULT);
}

int lookupcaller_read_place(pid_t pid, const char *name, char ret[static PATH_MAX]) {
        static const char deleted[] = " (deleted)";
        char link[64];
        (void) snprintf(link, sizeof(link), "/proc/%i/%s", (int) pid, name);
        ssize_t n = readlink(link, ret, PATH_MAX);
        if (n < 0)
                return error_origin(-errno);
        if (n == PATH_MAX)
                return error_origin(-ENAMETOOLONG);
        ret[n] = 0;
        size_t end = sizeof(deleted) - 1;
        if (ret[0] != '/' || ((size_t) n > end && streq(ret + n - end, deleted)))
                return -ENOENT;
        return 0;
}

void lookupcaller_read_program(pid_t pid, char ret[static 16]) {
        char path[32];
        (void) snprintf(path, sizeof(path), "/proc/%i/comm", (int) pid);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, ret, 15);
        ret[MAX(n, 0)] = 0;
        ret[strcspn(ret, "\n")] = 0;
        for (char *c = ret; *c; c++)
                if (!isprint((unsigned char) *c))
                        *c = '?';
        if (!*ret)
                memcpy(ret, "a process", sizeof("a process"));
}
