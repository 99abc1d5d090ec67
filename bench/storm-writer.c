/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The storm: ROUNDS times creates, writes, closes and unlinks a file, in the folders FOLDER/0, FOLDER/1, … in
 * turn. Prints nanoseconds: elapsed and of CPU. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/parse.h"

static long long now(clockid_t clock) {
        struct timespec t;
        (void) clock_gettime(clock, &t);
        return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int one_round(const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        if (write(fd, "storm\n", 6) != 6 || close(fd) < 0 || unlink(path) < 0)
                return -errno;
        return 0;
}

int main(int argc, char **argv) {
        char path[4096];
        unsigned folders, rounds;
        if (argc != 4 || parse_unsigned(argv[2], &folders) < 0 || parse_unsigned(argv[3], &rounds) < 0 ||
            folders == 0) {
                (void) fprintf(stderr, "usage: %s FOLDER FOLDERS ROUNDS\n", argv[0]);
                return 2;
        }
        long long elapsed = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        for (unsigned i = 0; i < rounds; i++) {
                (void) snprintf(path, sizeof(path), "%s/%u/f%u", argv[1], i % folders, i / folders);
                int r = one_round(path);
                if (r < 0) {
                        (void) fprintf(stderr, "%s: %s\n", path, strerror(-r));
                        return 1;
                }
        }
        (void) printf("%lld %lld\n", now(CLOCK_MONOTONIC) - elapsed, now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
        return 0;
}
