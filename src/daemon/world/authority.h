/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* May a caller that is not root change something? Asked of polkit (org.bootkeep1.manage) without waiting: its
 * answer may take as long as somebody types a password. Where no polkit runs the answer is no. */

#include <systemd/sd-bus.h>

#include "base/util.h"

typedef struct Authority Authority; /* the questions that are open */

int authority_new(Authority **ret);
Authority *authority_free(Authority *a);
DEFINE_CLEANUP(Authority *, authority_free);

/* Told once, with the reference to CALL that authority_ask() took. */
typedef void (*authority_answer_t)(void *userdata, sd_bus_message *call, bool allowed);

int authority_ask(Authority *a, sd_bus_message *call, authority_answer_t answer, void *userdata);

/* The bus is gone, and with it whoever asked: nobody is told. */
void authority_clear(Authority *a);
