/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/job.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/linereader.h"

struct Job {
        pid_t pid;
        int process_fd;
        int output_fd;
        bool reaped;
        LineReader reader;
};

typedef posix_spawn_file_actions_t FileActions;
typedef posix_spawnattr_t SpawnAttributes;

static int fill_spawn_actions(FileActions *actions, int output, int inherit) {
        int r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
        if (r == 0 && inherit >= 0)
                r = posix_spawn_file_actions_adddup2(actions, inherit, JOB_INHERITED_FD);
        return -r;
}

/* The daemon blocks signals for its loop and ignores SIGPIPE; a child must start with the usual ones. */
static int fill_spawn_attributes(SpawnAttributes *attributes) {
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        int r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                             POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
                r = posix_spawnattr_setsigmask(attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(attributes, &all);
        return -r;
}

static int job_spawn(char *const *argv, int output, int inherit, pid_t *ret) {
        _cleanup_(posix_spawn_file_actions_destroy) FileActions actions;
        _cleanup_(posix_spawnattr_destroy) SpawnAttributes attributes;
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        int r = fill_spawn_actions(&actions, output, inherit);
        if (r >= 0)
                r = fill_spawn_attributes(&attributes);
        if (r >= 0)
                r = -posix_spawn(ret, argv[0], &actions, &attributes, argv, environ);
        return r;
}

int job_start(char *const *argv, int inherit, Job **ret) {
        assert(argv && argv[0] && ret);
        _cleanup_(job_freep) Job *j = calloc(1, sizeof(*j));
        _cleanup_close_ int output = -EBADF;
        int pipe_fd[2];
        if (!j)
                return error_origin(-ENOMEM);
        j->process_fd = j->output_fd = -EBADF;
        j->reaped = true; /* nothing to reap yet */
        if (pipe2(pipe_fd, O_CLOEXEC) < 0)
                return error_origin(-errno);
        j->output_fd = pipe_fd[0];
        output = pipe_fd[1];
        if (fcntl(j->output_fd, F_SETFL, O_NONBLOCK) < 0)
                return error_origin(-errno);
        int r = job_spawn(argv, output, inherit, &j->pid);
        if (r < 0)
                return r;
        j->reaped = false;
        j->process_fd = pidfd_open(j->pid, 0);
        if (j->process_fd < 0) {
                r = -errno;
                (void) job_kill(j, SIGKILL);
                (void) waitpid(j->pid, NULL, 0);
                return r;
        }
        *ret = TAKE_PTR(j);
        return 0;
}

Job *job_free(Job *j) {
        if (j) {
                closep(&j->process_fd);
                closep(&j->output_fd);
        }
        free(j);
        return NULL;
}

int job_get_process_fd(const Job *j) {
        return j->process_fd;
}

int job_get_output_fd(const Job *j) {
        return j->output_fd;
}

pid_t job_get_pid(const Job *j) {
        return j->pid;
}

int job_read(Job *j, job_line_t line, void *userdata) {
        /* a child that never stops printing takes turns with the others */
        return linereader_read(&j->reader, j->output_fd, 16, line, userdata);
}

int job_read_rest(Job *j, job_line_t line, void *userdata) {
        return linereader_read(&j->reader, j->output_fd, 1024, line, userdata);
}

bool job_was_cut(const Job *j) {
        return j->reader.cut;
}

int job_reap(Job *j, int *ret) {
        siginfo_t info = {};
        if (waitid(P_PIDFD, (id_t) j->process_fd, &info, WEXITED | WNOHANG) < 0)
                return error_origin(-errno);
        if (info.si_pid == 0)
                return error_origin(-EAGAIN);
        j->reaped = true;
        *ret = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
        return 0;
}

int job_kill(Job *j, int signal) {
        if (j->reaped)
                return error_origin(-ESRCH);
        return kill(-j->pid, signal) < 0 ? error_origin(-errno) : 0;
}
