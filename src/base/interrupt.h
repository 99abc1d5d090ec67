/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* A request from outside to end this build: SIGTERM, SIGINT or SIGHUP, received through a signalfd. A request
 * is never withdrawn. */
typedef struct Interrupt Interrupt;

/* Blocks the signals permanently. */
int interrupt_new(Interrupt **ret);
/* FD, which is borrowed, interrupts as well, as soon as there is something to read from it, or its other end
 * is closed. */
int interrupt_new_also_by(int fd, Interrupt **ret);
Interrupt *interrupt_free(Interrupt *i);
DEFINE_CLEANUP(Interrupt *, interrupt_free);

/* A descriptor to poll for POLLIN along with others; then call interrupt_check. I may be NULL: never
 * interrupted, -EBADF, which poll skips. */
int interrupt_get_fd(const Interrupt *i);
bool interrupt_check(Interrupt *i);
/* The same for code that knows nothing of interrupts, see fingerprint_content. USERDATA is the Interrupt. */
bool interrupt_wished(void *userdata);
