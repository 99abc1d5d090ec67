/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a fuzzer over its corpus without libFuzzer, so that every compiler tests what was ever found. The
 * arguments are folders; prints one line of TAP for each file in them. */

#include <dirent.h>
#include <fcntl.h>

#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The exact size, so that a sanitizer sees the first byte too many. */
static int replay_file(int dirfd, const char *name) {
        _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        off_t size = lseek(fd, 0, SEEK_END);
        _cleanup_free_ uint8_t *data = malloc(size > 0 ? (size_t) size : 1);
        if (size < 0 || !data)
                return -ENOMEM;
        if (pread(fd, data, (size_t) size, 0) != size)
                return -EIO;
        (void) LLVMFuzzerTestOneInput(data, (size_t) size);
        return 0;
}

static int replay_folder(const char *path, unsigned *n) {
        _cleanup_closedir_ DIR *d = opendir(path);
        if (!d)
                return -errno;
        for (const struct dirent *e; (e = readdir(d));) {
                if (e->d_name[0] == '.')
                        continue;
                int r = replay_file(dirfd(d), e->d_name);
                printf("%sok %u - %s\n", r < 0 ? "not " : "", ++*n, e->d_name);
                if (r < 0)
                        return r;
        }
        return 0;
}

int main(int argc, char *argv[]) {
        unsigned n = 0;
        for (int i = 1; i < argc; i++)
                if (replay_folder(argv[i], &n) < 0)
                        return EXIT_FAILURE;
        printf("1..%u\n", n);
        return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
