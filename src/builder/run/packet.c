/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/packet.h"

#include <sys/socket.h>

#include "base/error.h"

typedef struct PacketHead {
        int32_t kind, number;
} PacketHead;

typedef union PacketFds {
        char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS_MAX)];
        struct cmsghdr align;
} PacketFds;

void packet_done(Packet *p) {
        for (size_t i = 0; i < p->n_fds; i++)
                closep(&p->fds[i]);
        p->n_fds = 0;
}

static void attach_fds(const Packet *p, PacketFds *control, struct msghdr *m) {
        size_t size = p->n_fds * sizeof(int);
        m->msg_control = control;
        m->msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *c = CMSG_FIRSTHDR(m);
        assert(c);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(size)};
        memcpy(CMSG_DATA(c), p->fds, size);
}

int packet_send(int socket, const Packet *p) {
        assert(socket >= 0 && p->n_fds <= PACKET_FDS_MAX);
        PacketHead head = {.kind = (int32_t) p->kind, .number = p->number};
        PacketFds control = {};
        struct iovec parts[] = {
                {.iov_base = &head, .iov_len = sizeof(head)},
                {.iov_base = (char *) p->text, .iov_len = strnlen(p->text, PACKET_TEXT_MAX)},
        };
        struct msghdr m = {.msg_iov = parts, .msg_iovlen = ELEMENTSOF(parts)};
        if (p->n_fds > 0)
                attach_fds(p, &control, &m);
        ssize_t n;
        do
                n = sendmsg(socket, &m, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? error_origin(-errno) : 0;
}

static void take_fds(struct msghdr *m, Packet *p) {
        const struct cmsghdr *c = CMSG_FIRSTHDR(m);
        p->n_fds = 0;
        if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                return;
        p->n_fds = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t) PACKET_FDS_MAX);
        memcpy(p->fds, CMSG_DATA(c), p->n_fds * sizeof(int));
}

int packet_receive(int socket, Packet *ret) {
        assert(socket >= 0 && ret);
        PacketHead head;
        PacketFds control = {};
        struct iovec parts[] = {
                {.iov_base = &head, .iov_len = sizeof(head)},
                {.iov_base = ret->text, .iov_len = PACKET_TEXT_MAX},
        };
        struct msghdr m = {
                .msg_iov = parts,
                .msg_iovlen = ELEMENTSOF(parts),
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;
        do
                n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN ? -EAGAIN : error_origin(-errno);
        if (n == 0)
                return 0;
        take_fds(&m, ret);
        if ((size_t) n < sizeof(head) || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
                packet_done(ret);
                return error_origin(-EBADMSG);
        }
        ret->text[(size_t) n - sizeof(head)] = 0;
        ret->kind = (PacketKind) head.kind;
        ret->number = head.number;
        return 1;
}
