/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* cost COMMAND [ARGUMENT]...: runs it, prints `CPU-USEC MAXRSS-KIB` as the last line on stderr, and exits as
 * it did. It must be small itself: the kernel counts the memory that the parent had when it forked as
 * that of the child. */

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long long usec(struct timeval t) {
        return t.tv_sec * 1000000LL + t.tv_usec;
}

int main(int argc, char **argv) {
        struct rusage used;
        int status;
        pid_t pid = argc > 1 ? fork() : -1;
        if (pid == 0) {
                (void) execvp(argv[1], argv + 1);
                _exit(127);
        }
        if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
                return 126;
        (void) fprintf(stderr, "%lld %ld\n", usec(used.ru_utime) + usec(used.ru_stime), used.ru_maxrss);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
