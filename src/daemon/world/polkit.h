/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* May a caller that is not root change something? Asks polkit (org.bootkeep1.manage) without waiting: its
 * answer may take as long as somebody types a password. If polkit is not running, the answer is no. */

#include <systemd/sd-bus.h>

#include "base/util.h"

typedef struct Polkit Polkit; /* the open questions */

int polkit_new(Polkit **ret);
Polkit *polkit_free(Polkit *p);
DEFINE_CLEANUP(Polkit *, polkit_free);

/* Called once for each call that was asked about, with the reference to CALL that polkit_ask() took. */
typedef struct PolkitAnswer {
        void (*answer)(void *userdata, sd_bus_message *call, bool allowed);
        void *userdata;
} PolkitAnswer;

/* Asks whether the sender of CALL may. Negative errno: ANSWER will not be called. */
int polkit_ask(Polkit *p, sd_bus_message *call, PolkitAnswer answer);

/* The bus is gone, and with it everybody who asked: no answer is called. */
void polkit_clear(Polkit *p);
