/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text that is valid on D-Bus, which only carries UTF-8: mount points, and names of volumes with their
 * subvolumes, may contain any bytes. */

#include <systemd/sd-bus.h>

#include "base/util.h"

/* Replaces everything that is not ASCII by `?`, in place. */
void bus_text_make_ascii(char *s);

/* Append a string (NULL: the empty one) or an array of them to M. */
int bus_text_append(sd_bus_message *m, const char *s);
int bus_text_append_all(sd_bus_message *m, char *const *strings);
