/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A builder to be run by another process, as bytes: its name, the timeout, where, what is learned, the number
 * of its arguments, these, and its environment, each followed by a NUL. In a file without a name, because
 * arguments may be more than a message holds. */

#include "manifest/definition.h"

typedef struct BuilderOrder {
        char *name;            /* of the builder */
        uint64_t timeout_usec; /* USEC_INFINITY: none */
        bool inside;           /* in the volume, else on the host */
        DefinitionLearn learn;
        char **argv, **environ;
} BuilderOrder;

void builderorder_done(BuilderOrder *order);

int builderorder_write(const BuilderOrder *order, int *ret_fd);

/* Reads from the start of FD. -EBADMSG: it is none. */
int builderorder_read(int fd, BuilderOrder *ret);
