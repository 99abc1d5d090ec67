/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/builderhost.h"

#include <fcntl.h>
#include <poll.h>

#include "base/error.h"
#include "base/parse.h"
#include "builder/run/builderorder.h"
#include "builder/run/packet.h"
#include "builder/run/runner.h"
#include "tree/root.h"

typedef struct BuilderHost {
        int socket;
        Interrupt *interrupt;
        Root *root;
        Packet request, answer;
        int held[PACKET_FDS_MAX]; /* as received with the last builder: a lock ends with its last copy */
        size_t n_held;
        bool stopped;
} BuilderHost;

static void release_held(BuilderHost *host) {
        for (size_t i = 0; i < host->n_held; i++)
                closep(&host->held[i]);
        host->n_held = 0;
}

static BuilderHost *builderhost_free(BuilderHost *host) {
        packet_done(&host->request);
        release_held(host);
        (void) root_free(host->root);
        closep(&host->socket);
        free(host);
        return NULL;
}
DEFINE_CLEANUP(BuilderHost *, builderhost_free);

static int answer_failed(BuilderHost *host, int r) {
        host->answer = (Packet){.kind = PACKET_FAILED, .number = r};
        return packet_send(host->socket, &host->answer);
}

/* ---- the volume ---- */

static int answer_volume(BuilderHost *host) {
        const Root *root = host->root;
        _cleanup_close_ int mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (mountinfo < 0)
                return answer_failed(host, -errno);
        host->answer = (Packet){.kind = PACKET_VOLUME, .fds = {root->fd, mountinfo}, .n_fds = 2};
        if (root->state_fd >= 0)
                host->answer.fds[host->answer.n_fds++] = root->state_fd;
        else
                host->answer.number = root->state_fd;
        return packet_send(host->socket, &host->answer);
}

static int serve_open(BuilderHost *host) {
        const char *rest = host->request.text;
        uint64_t mount_id;
        int r = parse_digits(&rest, 10, &mount_id);
        if (r < 0 || *rest != ' ')
                return error_origin(-EBADMSG);
        host->root = root_free(host->root);
        r = root_open(rest + 1, mount_id, &host->root);
        if (r < 0)
                return answer_failed(host, r);
        if (host->request.number == 1)
                (void) root_make_state(host->root); /* the build finds out what is wrong with it */
        return answer_volume(host);
}

/* ---- a builder ---- */

static void send_line(const char *line, void *userdata) {
        BuilderHost *host = userdata;
        host->answer = (Packet){.kind = PACKET_LINE};
        (void) strncpy(host->answer.text, line, PACKET_TEXT_MAX);
        (void) packet_send(host->socket, &host->answer);
}

static void send_activity(bool active, void *userdata) {
        BuilderHost *host = userdata;
        host->answer = (Packet){.kind = PACKET_ACTIVE};
        if (active)
                (void) packet_send(host->socket, &host->answer);
}

/* Where the builder runs, if in or beside a volume. */
static void place_job(const BuilderHost *host, const BuilderOrder *order, RunnerJob *job) {
        job->root = host->root ? host->root->fd : -EBADF;
        job->place = order->inside || !host->root ? NULL : host->root->mount.target;
}

static int run_order(BuilderHost *host, const BuilderOrder *order, Trace *trace, RunnerOutcome *ret,
                     char **ret_reason) {
        _cleanup_(interrupt_freep) Interrupt *interrupt = NULL;
        /* nothing more is to be said by the build until it is told the end: whatever comes means to stop */
        int r = interrupt_new_also_by(host->socket, &interrupt);
        if (r < 0)
                return r;
        if (order->inside && !host->root)
                return error_origin(-EBADMSG);
        RunnerJob job = {
                .program = {.name = order->name, .argv = order->argv, .environ = order->environ},
                .trace = order->learn == LEARN_NO ? NULL : trace,
                .learn = order->learn,
                .timeout_usec = order->timeout_usec,
                .line = send_line,
                .beat = send_activity,
                .userdata = host,
                .interrupt = interrupt,
        };
        place_job(host, order, &job);
        return runner_run(&job, ret, ret_reason);
}

/* Without TRACE where it cannot be passed on. */
static int answer_end(BuilderHost *host, RunnerOutcome outcome, const char *reason, const Trace *trace) {
        _cleanup_close_ int file = -EBADF;
        host->answer = (Packet){.kind = PACKET_END, .number = (int) outcome};
        if (trace_write(trace, &file) >= 0) {
                host->answer.fds[0] = file;
                host->answer.n_fds = 1;
        }
        (void) strncpy(host->answer.text, strempty(reason), PACKET_TEXT_MAX);
        host->stopped = outcome == RUNNER_INTERRUPTED;
        release_held(host);
        return packet_send(host->socket, &host->answer);
}

/* The descriptors of the request but the first. */
static void hold_descriptors(BuilderHost *host) {
        Packet *p = &host->request;
        release_held(host);
        for (size_t i = 1; i < p->n_fds; i++)
                host->held[host->n_held++] = p->fds[i];
        p->n_fds = MIN(p->n_fds, 1U);
}

static int serve_run(BuilderHost *host) {
        _cleanup_(builderorder_done) BuilderOrder order = {};
        _cleanup_(trace_done) Trace trace = {};
        _cleanup_free_ char *reason = NULL;
        RunnerOutcome outcome = RUNNER_FAILED;
        if (host->request.n_fds == 0)
                return error_origin(-EBADMSG);
        hold_descriptors(host);
        int r = builderorder_read(host->request.fds[0], &order);
        if (r >= 0)
                r = run_order(host, &order, &trace, &outcome, &reason);
        return r < 0 ? answer_failed(host, r) : answer_end(host, outcome, reason, &trace);
}

/* ---- both ---- */

static int serve_request(BuilderHost *host) {
        int r = -EBADMSG;
        if (host->request.kind == PACKET_OPEN)
                r = serve_open(host);
        else if (host->request.kind == PACKET_RUN)
                r = serve_run(host);
        packet_done(&host->request);
        return r;
}

/* 1; 0: no more; negative errno. */
static int await_request(BuilderHost *host) {
        struct pollfd p[] = {
                {.fd = host->socket, .events = POLLIN},
                {.fd = interrupt_get_fd(host->interrupt), .events = POLLIN},
        };
        while (!p[0].revents) {
                if (poll(p, ELEMENTSOF(p), -1) < 0 && errno != EINTR)
                        return error_origin(-errno);
                if (interrupt_check(host->interrupt))
                        return 0;
        }
        return packet_receive(host->socket, &host->request);
}

int builderhost_serve(int socket, Interrupt *interrupt) {
        assert(socket >= 0 && interrupt);
        _cleanup_(builderhost_freep) BuilderHost *host = calloc(1, sizeof(*host));
        int r;
        if (!host) {
                closep(&socket);
                return error_origin(-ENOMEM);
        }
        host->socket = socket;
        host->interrupt = interrupt;
        do {
                r = await_request(host);
                if (r > 0)
                        r = serve_request(host);
                else if (r == 0)
                        host->stopped = true;
        } while (r >= 0 && !host->stopped);
        return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}
