/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The replies to a call. None of them fails for the caller: a reply that cannot be sent has nobody left to
 * receive it. */

#include <systemd/sd-bus.h>

#include "base/util.h"

typedef sd_bus_message BusCall; /* a call that waits for its reply */

void bus_reply(BusCall *call);
void bus_reply_string(BusCall *call, const char *s);
void bus_reply_number(BusCall *call, uint64_t n);
void bus_reply_strings(BusCall *call, char **strings);
void bus_reply_volume(BusCall *call, const char *name); /* its object */
void bus_reply_error(BusCall *call, const char *error, const char *format, ...) _printf_(3, 4);
