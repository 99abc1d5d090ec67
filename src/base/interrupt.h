/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* The wish of someone outside that this build ends: SIGTERM, SIGINT or SIGHUP, taken by a signalfd. Once
 * wished it stays wished. */
typedef struct Interrupt Interrupt;

/* Blocks the signals for good. */
int interrupt_new(Interrupt **ret);
Interrupt *interrupt_free(Interrupt *i);
DEFINE_CLEANUP(Interrupt *, interrupt_free);

/* A descriptor to poll for POLLIN beside others; call interrupt_check then. I may be NULL: never interrupted,
 * -EBADF, which poll skips. */
int interrupt_get_fd(const Interrupt *i);
bool interrupt_check(Interrupt *i);
/* The same for who knows nothing of interrupts, see fingerprint_content. USERDATA is the Interrupt. */
bool interrupt_wished(void *userdata);
