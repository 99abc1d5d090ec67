/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* flock(2) has no descriptor to poll, and with signals blocked its wait cannot be interrupted without a race.
 * But the lock belongs to the open file, not to the process: so a child does the waiting, and the lock that
 * it got is ours when it has exited. */

#include "builder/buildlock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/progress.h"
#include "tree/contain.h"

#define LOCK_FILE "/lock"

int buildlock_open(int state, int *ret_fd) {
        assert(state >= 0 && ret_fd);
        _cleanup_close_ int place = -EBADF;
        struct stat st;
        int r = contain_open_nolinks(state, LOCK_FILE, O_RDONLY | O_CREAT | O_EXCL, 0600, ret_fd);
        if (r != -EEXIST)
                return r;
        r = contain_open_nolinks(state, LOCK_FILE, O_PATH, 0, &place);
        if (r < 0)
                return r;
        if (fstat(place, &st) < 0)
                return error_origin(-errno);
        return S_ISREG(st.st_mode) ? contain_reopen(place, O_RDONLY, ret_fd) : error_origin(-EINVAL);
}

static pid_t fork_waiter(int fd) {
        pid_t parent = getpid(), pid = fork();
        if (pid != 0)
                return pid;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(EXIT_FAILURE);
        while (flock(fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        _exit(EXIT_FAILURE);
        _exit(EXIT_SUCCESS);
}

/* True: the waiter exited by itself. */
static bool await_waiter(int pidfd, const Patience *patience) {
        struct pollfd p[] = {
                {.fd = pidfd, .events = POLLIN},
                {.fd = interrupt_get_fd(patience->interrupt), .events = POLLIN},
        };
        for (;;) {
                patience->beat(patience->userdata);
                if (poll(p, ELEMENTSOF(p), (int) (PROGRESS_BEAT_USEC / USEC_PER_MSEC)) < 0 && errno != EINTR)
                        return false;
                if (p[0].revents)
                        return true;
                if (interrupt_check(patience->interrupt))
                        return false;
        }
}

static int wait_in_child(int fd, const Patience *patience) {
        pid_t pid = fork_waiter(fd);
        int status = 0;
        if (pid < 0)
                return error_origin(-errno);
        _cleanup_close_ int pidfd = pidfd_open(pid, 0);
        bool ended = pidfd >= 0 && await_waiter(pidfd, patience);
        if (!ended)
                (void) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (!ended)
                return interrupt_check(patience->interrupt) ? error_origin(-EINTR) : error_origin(-EIO);
        return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS ? 0 : error_origin(-ENOLCK);
}

int buildlock_take(int fd, const Patience *patience) {
        assert(fd >= 0 && patience && patience->beat);
        if (flock(fd, LOCK_EX | LOCK_NB) >= 0)
                return 0;
        if (errno != EWOULDBLOCK)
                return error_origin(-errno);
        return wait_in_child(fd, patience);
}
