/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Between fork and exec. There are two forks: between us and the builder there is a nanny, whose only task is
 * to outlive us. If we are killed, it kills everything that the builder has started, which nobody else could
 * find any more, and until then holds what it has inherited from us: the locks of the volume. So no build
 * begins while another still writes. If we live, it exits as the builder does.
 *
 * The builder gets a session, a directory, an environment and a priority of its own, and inherits nothing but
 * the pipe. Failures before exec are reported through a second pipe that exec closes: so "cannot be started"
 * is never mistaken for "has failed". */

#include "builder/run/spawn.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/failure.h"
#include "builder/run/descendants.h"

#define ERROR_FD 3
#define NANNY_STOP_USEC (5 * USEC_PER_SEC)

typedef struct SpawnError {
        int error;
        char what[64];
} SpawnError;

void spawn_done(Spawn *s) {
        closep(&s->pidfd);
        closep(&s->output_fd);
        *s = SPAWN_NULL;
}

/* The soft limit of descriptors that programs expect: bootkeepd raised it for itself, and with a high one,
 * programs that close all possible descriptors take long, and select(2) fails. */
#define NOFILE_SOFT 1024

static void lower_priority(void) {
        struct rlimit files;
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
                (void) write_all(fd, "0", 1);
                (void) close(fd);
        }
        if (getrlimit(RLIMIT_NOFILE, &files) >= 0 && files.rlim_cur > NOFILE_SOFT) {
                files.rlim_cur = NOFILE_SOFT;
                (void) setrlimit(RLIMIT_NOFILE, &files);
        }
        (void) setpriority(PRIO_PROCESS, 0, 10);
        (void) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7));
}

static void reset_signals(void) {
        sigset_t none;
        for (int s = 1; s < NSIG; s++)
                (void) signal(s, SIG_DFL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

static int arrange_descriptors(int output, int error_fd) {
        if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
                return error_origin(-errno);
        if (error_fd != ERROR_FD && dup2(error_fd, ERROR_FD) < 0)
                return error_origin(-errno);
        if (fcntl(ERROR_FD, F_SETFD, FD_CLOEXEC) < 0 || close_range(ERROR_FD + 1, ~0U, 0) < 0)
                return error_origin(-errno);
        return 0;
}

static int make_builder_environment(char *const *more, char ***ret) {
        static const char *const always[] = {
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=C", /* each program of a builder would look for files of another locale in vain */
                /* The same input gives the same bytes, whenever it is built. 1980: the first year that FAT
                 * and zip know. */
                "SOURCE_DATE_EPOCH=315532800",
                "HOME=/root",
                "TERM=dumb",
        };
        for (size_t i = 0; i < ELEMENTSOF(always); i++)
                if (strv_extend(ret, always[i]) < 0)
                        return error_origin(-ENOMEM);
        for (; more && *more; more++)
                if (strv_extend(ret, *more) < 0)
                        return error_origin(-ENOMEM);
        return 0;
}

/* That of the host: a volume need not have one. */
static int take_null_as_input(void) {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return null < 0 || dup2(null, STDIN_FILENO) < 0 ? error_origin(-errno) : 0;
}

/* Returns only on failure. */
static int become_builder(const SpawnProgram *program, pid_t parent, int output, int error_fd,
                          const char **ret_what) {
        char **environment = NULL;
        *ret_what = "cannot be set up";
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                return error_origin(-ESRCH);
        (void) umask(0022);
        lower_priority();
        int r = make_builder_environment(program->environ, &environment);
        if (r >= 0)
                r = take_null_as_input();
        if (r < 0)
                return r;
        if (program->space) {
                r = builderspace_enter(program->space, ret_what);
                if (r < 0)
                        return r;
                *ret_what = "cannot be set up";
        } else if (chdir("/") < 0)
                return error_origin(-errno);
        if (program->lookups)
                lookups_install(program->lookups);
        r = arrange_descriptors(output, error_fd);
        if (r < 0)
                return r;
        reset_signals();
        *ret_what = NULL;
        (void) execve(program->argv[0], program->argv, environment);
        return error_origin(-errno);
}

__attribute__((__noreturn__)) static void report_and_exit(int error_fd, int r, const char *what) {
        SpawnError message = {.error = r};
        (void) strncpy(message.what, strempty(what), sizeof(message.what) - 1);
        /* the descriptor has moved if we got that far */
        int fd = fcntl(error_fd, F_GETFD) >= 0 ? error_fd : ERROR_FD;
        (void) write_all(fd, &message, sizeof(message));
        _exit(127);
}

static void run_builder_child(const SpawnProgram *program, pid_t parent, int output, int error_fd) {
        const char *what = NULL;
        int r = become_builder(program, parent, output, error_fd, &what);
        report_and_exit(error_fd, r, what);
}

/* The nanny exits as the builder did. */
__attribute__((__noreturn__)) static void end_like(int status) {
        int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        sigset_t mask;
        if (sig == 0)
                _exit(WEXITSTATUS(status));
        (void) prctl(PR_SET_DUMPABLE, 0);
        (void) signal(sig, SIG_DFL);
        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, sig);
        (void) kill(getpid(), sig);
        (void) sigprocmask(SIG_UNBLOCK, &mask, NULL);
        _exit(128 + sig);
}

/* Orphans are ours, too, and may exit before the builder does. */
static bool has_ended(pid_t builder, int *ret_status) {
        int status;
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                if (pid == builder) {
                        *ret_status = status;
                        return true;
                }
        return false;
}

/* A signal to stop the builder goes to our process group, which it may have left: timeout(1) does. */
static void pass_on_sigterm(pid_t builder) {
        pid_t group = getpgid(builder);
        if (group > 0 && group != getpgrp())
                (void) kill(-group, SIGTERM);
}

__attribute__((__noreturn__)) static void watch_over(const SpawnProgram *program, pid_t builder, pid_t parent,
                                                     const sigset_t *signals) {
        int status = 0;
        while (getppid() == parent) {
                if (has_ended(builder, &status))
                        end_like(status);
                if (sigwaitinfo(signals, NULL) == SIGTERM && getppid() == parent)
                        pass_on_sigterm(builder);
        }
        (void) descendants_kill(now_usec() + NANNY_STOP_USEC);
        if (program->space)
                buildertmp_remove(&program->space->tmp);
        _exit(EXIT_FAILURE);
}

static void run_nanny(const SpawnProgram *program, pid_t parent, int output, int error_fd) {
        pid_t nanny = getpid();
        sigset_t signals;
        (void) setsid();
        (void) sigfillset(&signals);
        (void) sigprocmask(SIG_SETMASK, &signals, NULL);
        (void) signal(SIGCHLD, SIG_DFL); /* a process that ignores it gets no exit status of a child */
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM); /* one that watch_over waits for */
        pid_t builder = fork();
        if (builder < 0)
                report_and_exit(error_fd, -errno, "cannot be set up");
        if (builder == 0)
                run_builder_child(program, nanny, output, error_fd);
        (void) close(output);
        (void) close(error_fd);
        watch_over(program, builder, parent, &signals);
}

static int make_pipe(int *ret_read, int *ret_write) {
        int p[2];
        if (pipe2(p, O_CLOEXEC) < 0)
                return error_origin(-errno);
        *ret_read = p[0];
        *ret_write = p[1];
        return 0;
}

/* The error reported by the child, or 0 bytes as soon as it executes its program. */
static int read_complaint(const SpawnProgram *program, pid_t pid, int fd, char **reterr) {
        SpawnError message = {};
        ssize_t n;
        do
                n = read(fd, &message, sizeof(message));
        while (n < 0 && errno == EINTR);
        if (n == 0)
                return 0;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        message.what[sizeof(message.what) - 1] = 0;
        return failure_errno(reterr, n == (ssize_t) sizeof(message) ? message.error : error_origin(-EIO),
                             "builder %s: %s", program->name,
                             message.what[0] ? message.what : program->argv[0]);
}

int spawn_start(const SpawnProgram *program, Spawn *ret, char **reterr) {
        assert(program->name && program->argv && program->argv[0] && ret);
        _cleanup_(spawn_done) Spawn s = SPAWN_NULL;
        _cleanup_close_ int output = -EBADF, error_read = -EBADF, error_fd = -EBADF;
        pid_t parent = getpid();
        int r = make_pipe(&s.output_fd, &output);
        if (r >= 0)
                r = make_pipe(&error_read, &error_fd);
        if (r >= 0 && fcntl(s.output_fd, F_SETFL, O_NONBLOCK) < 0)
                r = error_origin(-errno);
        if (r < 0)
                return r;
        s.pid = fork();
        if (s.pid < 0)
                return error_origin(-errno);
        if (s.pid == 0) {
                closep(&s.output_fd);
                closep(&error_read);
                run_nanny(program, parent, output, error_fd);
        }
        closep(&error_fd);
        error_fd = -EBADF;
        if (read_complaint(program, s.pid, error_read, reterr) < 0)
                return error_origin(-ENOEXEC);
        s.pidfd = pidfd_open(s.pid, 0);
        if (s.pidfd < 0) {
                r = error_origin(-errno);
                (void) kill(s.pid, SIGKILL);
                return r;
        }
        *ret = s;
        s = SPAWN_NULL;
        return 0;
}
