/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/builderlink.h"

#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/failure.h"
#include "base/progress.h"
#include "builder/run/builderorder.h"
#include "builder/run/packet.h"

/* A host that is told to stop a builder has ended it by then, or nobody can. */
#define GIVE_UP_USEC (30 * USEC_PER_SEC)

/* ---- the volume ---- */

/* 1; -ECONNRESET at the end. */
static int await_packet(const BuilderLink *link, Packet *ret) {
        struct pollfd p[] = {
                {.fd = link->socket, .events = POLLIN},
                {.fd = interrupt_get_fd(link->interrupt), .events = POLLIN},
        };
        for (;;) {
                if (poll(p, ELEMENTSOF(p), -1) < 0 && errno != EINTR)
                        return error_origin(-errno);
                if (p[0].revents)
                        break;
                if (interrupt_check(link->interrupt))
                        return error_origin(-EINTR);
        }
        int r = packet_receive(link->socket, ret);
        return r == 0 ? error_origin(-ECONNRESET) : r;
}

static int adopt_volume(const Packet *p, Root **ret) {
        if (p->kind == PACKET_FAILED && p->number < 0)
                return p->number;
        if (p->kind != PACKET_VOLUME || p->n_fds < 2 || (p->n_fds < 3 && p->number >= 0))
                return error_origin(-EBADMSG);
        const RootDescriptors descriptors = {
                .root = p->fds[0], .mountinfo = p->fds[1], .state = p->n_fds > 2 ? p->fds[2] : p->number};
        return root_adopt(&descriptors, ret);
}

int builderlink_open_volume(const BuilderLink *link, const char *mount_point, uint64_t mount_id, bool make,
                            Root **ret) {
        assert(link->socket >= 0 && mount_point && ret);
        _cleanup_free_ Packet *p = calloc(1, sizeof(*p));
        if (!p)
                return error_origin(-ENOMEM);
        *p = (Packet){.kind = PACKET_OPEN, .number = make};
        int n = snprintf(p->text, sizeof(p->text), "%" PRIu64 " %s", mount_id, mount_point);
        if (n < 0 || (size_t) n >= sizeof(p->text))
                return error_origin(-ENAMETOOLONG);
        int r = packet_send(link->socket, p);
        if (r >= 0)
                r = await_packet(link, p);
        if (r < 0)
                return r == -EPIPE ? -ECONNRESET : r;
        r = adopt_volume(p, ret);
        packet_done(p);
        return r;
}

/* ---- a builder ---- */

typedef struct LinkRun {
        const BuilderLink *link;
        const RunnerJob *job;
        Packet *packet;
        uint64_t beat, deadline;
        bool interrupted;
        bool active; /* since the last beat */
} LinkRun;

static int send_order(const LinkRun *run, bool inside) {
        const SpawnProgram *program = &run->job->program;
        const BuilderOrder order = {
                .name = (char *) program->name,
                .timeout_usec = run->job->timeout_usec,
                .inside = inside,
                .learn = run->job->trace ? run->job->learn : LEARN_NO,
                .argv = (char **) program->argv,
                .environ = (char **) program->environ,
        };
        _cleanup_close_ int file = -EBADF;
        Packet *p = run->packet;
        int r = builderorder_write(&order, &file);
        if (r < 0)
                return r;
        *p = (Packet){.kind = PACKET_RUN, .fds = {file}, .n_fds = 1};
        for (size_t i = 0; i < ELEMENTSOF(run->link->held); i++)
                if (run->link->held[i] >= 0)
                        p->fds[p->n_fds++] = run->link->held[i];
        return packet_send(run->link->socket, p);
}

/* The host stops the builder as soon as there is nothing more to come from here. */
static void heed_link_interrupt(LinkRun *run) {
        if (run->interrupted || !interrupt_check(run->link->interrupt))
                return;
        run->interrupted = true;
        run->deadline = now_usec() + GIVE_UP_USEC;
        (void) shutdown(run->link->socket, SHUT_WR);
}

static void give_link_beat(LinkRun *run) {
        if (now_usec() < run->beat)
                return;
        run->beat = now_usec() + PROGRESS_BEAT_USEC;
        if (run->job->beat)
                run->job->beat(run->active, run->job->userdata);
        run->active = false;
}

static int await_news(LinkRun *run) {
        struct pollfd p[] = {
                {.fd = run->link->socket, .events = POLLIN},
                {.fd = run->interrupted ? -EBADF : interrupt_get_fd(run->link->interrupt), .events = POLLIN},
        };
        uint64_t now = now_usec(), until = MIN(run->beat, run->deadline);
        int timeout = until <= now ? 0 : (int) ((MIN(until - now, USEC_PER_SEC) / USEC_PER_MSEC) + 1);
        if (poll(p, ELEMENTSOF(p), timeout) < 0 && errno != EINTR)
                return error_origin(-errno);
        heed_link_interrupt(run);
        if (now_usec() >= run->deadline)
                return error_origin(-ETIMEDOUT);
        give_link_beat(run);
        return p[0].revents != 0;
}

/* 1: RUN->packet is the end; -ECONNRESET: the host has gone. */
static int follow_builder(LinkRun *run) {
        for (;;) {
                int r = await_news(run);
                if (r == 0)
                        continue;
                if (r > 0)
                        r = packet_receive(run->link->socket, run->packet);
                if (r <= 0)
                        return r == 0 ? error_origin(-ECONNRESET) : r;
                if (run->packet->kind == PACKET_END)
                        return 1;
                packet_done(run->packet);
                if (run->packet->kind == PACKET_FAILED && run->packet->number < 0)
                        return run->packet->number;
                run->active = true; /* it has printed something, or the host says so */
                if (run->packet->kind == PACKET_LINE)
                        run->job->line(run->packet->text, run->job->userdata);
        }
}

static bool is_outcome(int n) {
        return n == RUNNER_SUCCESS || n == RUNNER_NOT_NOW || n == RUNNER_FAILED || n == RUNNER_INTERRUPTED;
}

static int take_trace(const LinkRun *run) {
        Trace *trace = run->job->trace;
        if (!trace)
                return 0;
        int r = run->packet->n_fds > 0 ? trace_read(run->packet->fds[0], trace) : error_origin(-EBADMSG);
        return r < 0 && r != -ENOMEM ? trace_miss(trace, "it was not passed on: %s", strerror(-r)) : r;
}

static int conclude_run(const LinkRun *run, RunnerOutcome *ret, char **ret_reason) {
        const Packet *p = run->packet;
        if (!is_outcome(p->number))
                return error_origin(-EBADMSG);
        int r = take_trace(run);
        if (r < 0)
                return r;
        if (*p->text && free_and_strdup(ret_reason, p->text) < 0)
                return error_origin(-ENOMEM);
        *ret = (RunnerOutcome) p->number;
        return 0;
}

/* Whoever ends it ends the builder. */
static void conclude_lost_run(const LinkRun *run, RunnerOutcome *ret, char **ret_reason) {
        const BuilderLink *link = run->link;
        *ret = run->interrupted ? RUNNER_INTERRUPTED : RUNNER_FAILED;
        _cleanup_free_ char *why = run->interrupted || !link->explain ? NULL : link->explain(link->userdata);
        if (run->interrupted)
                (void) failure(ret_reason, 0, "interrupted");
        else
                (void) failure(ret_reason, 0, "builder %s %s", run->job->program.name,
                               why ? why : "was killed with the unit that it ran in");
}

int builderlink_run(const BuilderLink *link, const RunnerJob *job, bool inside, RunnerOutcome *ret,
                    char **ret_reason) {
        assert(link->socket >= 0 && job->line && ret && ret_reason);
        _cleanup_free_ Packet *packet = calloc(1, sizeof(*packet));
        if (!packet)
                return error_origin(-ENOMEM);
        LinkRun run = {
                .link = link,
                .job = job,
                .packet = packet,
                .beat = now_usec() + PROGRESS_BEAT_USEC,
                .deadline = USEC_INFINITY,
        };
        int r = send_order(&run, inside);
        if (r >= 0)
                r = follow_builder(&run);
        if (r == -ECONNRESET || r == -EPIPE || r == -ETIMEDOUT) {
                conclude_lost_run(&run, ret, ret_reason);
                return 0;
        }
        if (r >= 0)
                r = conclude_run(&run, ret, ret_reason);
        packet_done(packet);
        return r;
}
