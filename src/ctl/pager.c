/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/pager.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* The command to give to sh, or NULL for none. */
static const char *pager_command(void) {
        static const char *const variables[] = {"SYSTEMD_PAGER", "PAGER"};
        for (size_t i = 0; i < ELEMENTSOF(variables); i++) {
                const char *e = getenv(variables[i]);
                if (e)
                        return isempty(e) || streq(e, "cat") ? NULL : e;
        }
        return "less";
}

/* In the child: never returns. A pager that cannot be run must not swallow the text, so cat is the last
 * resort; even if a shell runs the pager, which reports failure by 126 or 127. */
__attribute__((__noreturn__)) static void pager_exec(const char *command, int input, pid_t parent) {
        const char *options = getenv("SYSTEMD_LESS");
        char *script = NULL; /* the program that follows frees it */
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
                _exit(EXIT_SUCCESS);
        (void) setenv("LESS", options ? options : "FRX", 1);
        (void) setenv("LESSSECURE", "1", 0);
        if (dup2(input, STDIN_FILENO) < 0)
                _exit(EXIT_FAILURE);
        if (streq(command, "less"))
                (void) execlp("less", "less", NULL);
        else if (strprintf(&script, "%s\ncase $? in 126|127) exec cat ;; esac", command) >= 0)
                (void) execl("/bin/sh", "sh", "-c", script, NULL);
        (void) execlp("cat", "cat", NULL);
        _exit(EXIT_FAILURE);
}

void pager_open(Pager *p) {
        assert(p && p->pid == 0);
        const char *command = pager_command();
        int fds[2];
        if (!command || pipe2(fds, O_CLOEXEC) < 0)
                return;
        _cleanup_close_ int input = fds[0], output = fds[1];
        pid_t parent = getpid(), pid = fork();
        if (pid < 0)
                return;
        if (pid == 0)
                pager_exec(command, input, parent);
        if (dup2(output, STDOUT_FILENO) < 0)
                return;
        /* a user who quits the pager early has seen enough: no reason to die from SIGPIPE */
        (void) signal(SIGPIPE, SIG_IGN);
        p->pid = pid;
}

void pager_done(Pager *p) {
        assert(p);
        if (p->pid <= 0)
                return;
        (void) fflush(stdout);
        (void) close(STDOUT_FILENO); /* the end of the pipe is the end of the text */
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
                continue;
        *p = PAGER_NULL;
}
