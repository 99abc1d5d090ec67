/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The reply to Sources, which grows line by line. */

#include "daemon/world/busreply.h"

typedef struct BusSource {
        const char *cache, *instance, *kind, *path, *how;
        uint64_t size;
} BusSource;

typedef struct BusSources BusSources;

int bus_sources_new(BusCall *call, BusSources **ret);
BusSources *bus_sources_free(BusSources *s);
/* -E2BIG: it would be too large for the bus. */
int bus_sources_add(BusSources *s, const BusSource *source);
/* Negative errno: it was not sent. */
int bus_sources_send(BusSources *s);
