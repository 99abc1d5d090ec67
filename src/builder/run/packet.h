/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a build in its sandbox and the host of its builders outside of it tell each other over a socket that
 * keeps messages apart (SOCK_SEQPACKET). */

#include "base/util.h"

#define PACKET_TEXT_MAX 8191U
#define PACKET_FDS_MAX 4U

typedef enum PacketKind {
        PACKET_OPEN = 'O',   /* to the host: open the volume; NUMBER 1: and make what is missing of the state
                                directory; TEXT: the mount's ID and the mount point */
        PACKET_RUN = 'R',    /* to the host: run a builder, described in the first descriptor; keep the others
                                until the end */
        PACKET_VOLUME = 'V', /* the volume's root directory, the mount table, the state directory; NUMBER: why
                                that is missing */
        PACKET_FAILED = 'F', /* NUMBER: a negative errno */
        PACKET_LINE = 'L',   /* TEXT: of the builder's output */
        PACKET_ACTIVE = 'A', /* the builder did something since the last one */
        PACKET_END = 'E',    /* NUMBER: a RunnerOutcome; TEXT: the reason; the trace (trace.h) */
} PacketKind;

typedef struct Packet {
        PacketKind kind;
        int number;
        char text[PACKET_TEXT_MAX + 1];
        int fds[PACKET_FDS_MAX]; /* owned by whoever received it */
        size_t n_fds;
} Packet;

void packet_done(Packet *p); /* closes its descriptors */

/* A TEXT that is too long is cut. -EPIPE, -ECONNRESET: nobody is there any more. */
int packet_send(int socket, const Packet *p);

/* 1; 0: the other end has closed; -EAGAIN: SOCKET does not block, and there is none; -EBADMSG. *RET is large:
 * not for a stack that is already deep. */
int packet_receive(int socket, Packet *ret);
