/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flush/alone.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "base/log.h"
#include "flush/silence.h"

#define LINE_MAX_BYTES ((size_t) 64 * 1024)

typedef struct Alone {
        Witness *witness;
        sd_event *event;
        sd_event_source *output;
        Silence silence;
        Snapshot snapshot; /* as far as it has been read */
        int fd;
        pid_t pid;
        char *line; /* what has been read of a line */
        size_t n;
        bool ended; /* it said so */
} Alone;

/* What it leaves running is systemd's to end: it is in our control group. */
static void alone_done(Alone *a) {
        if (a->pid > 0) {
                if (!a->ended)
                        (void) kill(a->pid, SIGKILL);
                (void) waitpid(a->pid, NULL, 0);
        }
        silence_done(&a->silence);
        sd_event_source_disable_unref(a->output);
        closep(&a->fd);
        snapshot_done(&a->snapshot);
        sd_event_unref(a->event);
        free(a->line);
}

/* Our own connections to systemd are none of its business. */
static int child_environment(char ***ret) {
        _cleanup_strv_free_ char **env = NULL;
        for (char **e = environ; e && *e; e++)
                if (!startswith(*e, "NOTIFY_SOCKET=") && !startswith(*e, "INVOCATION_ID=") &&
                    strv_extend(&env, *e) < 0)
                        return error_origin(-ENOMEM);
        *ret = TAKE_PTR(env);
        return 0;
}

static int spawn_into(Alone *a, const char *program, int out) {
        posix_spawn_file_actions_t actions;
        char *const argv[] = {(char *) program, (char *) "--flush", NULL};
        _cleanup_strv_free_ char **env = NULL;
        int r = child_environment(&env);
        if (r < 0)
                return r;
        r = -posix_spawn_file_actions_init(&actions);
        if (r < 0)
                return error_origin(r);
        r = -posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (r == 0)
                r = -posix_spawn(&a->pid, program, &actions, NULL, argv, env);
        (void) posix_spawn_file_actions_destroy(&actions);
        return r < 0 ? error_origin(r) : 0;
}

static int spawn_bootkeepd(Alone *a, const char *program) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
                return error_origin(-errno);
        a->fd = ends[0];
        int r = spawn_into(a, program, ends[1]);
        close(ends[1]);
        if (r >= 0 && fcntl(a->fd, F_SETFL, O_NONBLOCK) < 0)
                r = error_origin(-errno);
        return r;
}

static int take_alone_line(Alone *a, const char *line) {
        int r = snapshot_take_line(&a->snapshot, line);
        if (r == SNAPSHOT_COMPLETE) {
                witness_take(a->witness, &a->snapshot);
                return now_usec() >= a->witness->give_up_at ? error_origin(-ETIMEDOUT)
                                                            : silence_broken(&a->silence);
        }
        a->ended = a->ended || r == SNAPSHOT_END;
        return r;
}

static int take_alone_bytes(Alone *a, const char *bytes, size_t size) {
        int r = 0;
        for (size_t i = 0; i < size && r >= 0; i++) {
                if (bytes[i] != '\n' && a->n < LINE_MAX_BYTES - 1) {
                        a->line[a->n++] = bytes[i];
                        continue;
                }
                a->line[a->n] = 0;
                r = bytes[i] == '\n' ? take_alone_line(a, a->line) : error_origin(-EBADMSG);
                a->n = 0;
        }
        return r;
}

/* 1: the end of its output. */
static int read_alone(Alone *a) {
        char bytes[4096];
        ssize_t n = read(a->fd, bytes, sizeof(bytes));
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : error_origin(-errno);
        if (n == 0)
                return 1;
        int r = take_alone_bytes(a, bytes, (size_t) n);
        return MIN(r, 0);
}

/* It ended well if it said so. */
static int on_alone_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Alone *a = userdata;
        int r = read_alone(a);
        if (r < 0)
                return sd_event_exit(a->event, r);
        return r == 0 ? 0 : sd_event_exit(a->event, a->ended ? 0 : -ECHILD);
}

static int listen_alone(Alone *a) {
        int r = sd_event_new(&a->event);
        if (r >= 0)
                r = silence_begin(&a->silence, a->event);
        if (r >= 0)
                r = sd_event_add_io(a->event, &a->output, a->fd, EPOLLIN, on_alone_output, a);
        return r;
}

int alone_run(Witness *w, const char *program) {
        _cleanup_(alone_done) Alone a = {.witness = w, .fd = -EBADF, .line = malloc(LINE_MAX_BYTES)};
        if (!a.line)
                return error_origin(-ENOMEM);
        int r = spawn_bootkeepd(&a, program);
        if (r >= 0)
                r = listen_alone(&a);
        if (r >= 0)
                r = sd_event_loop(a.event);
        return r;
}
