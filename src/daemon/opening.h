/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The stamps of a volume with something mounted over them, where our scans may not look below that: a
 * bootkeep-build opens them for the one scan that asks, and sends them to it. No descriptor of them ever
 * comes here, since it would keep the device busy. */

#include "daemon/launch.h"
#include "daemon/running.h"

/* A scan, and what is needed to open the stamps for it. All but MOUNT_POINT is borrowed until it ends. */
typedef struct OpeningRequest {
        sd_event *event;
        sd_bus *bus; /* for a unit of its own; NULL: it can only be a child */
        const LaunchOptions *launch;
        Job *const *scan; /* where its job is, as long as it runs */
        const char *volume, *mount_point;
        uint64_t mount_id;
        unsigned inquiry; /* as in LaunchBuild */
} OpeningRequest;

typedef struct Opening {
        Running running;        /* the bootkeep-build */
        OpeningRequest request; /* of the scan that asked; SCAN NULL: none has */
        char *mount_point;      /* of the request */
        bool served;            /* RUNNING is for that scan, or was */
} Opening;

/* Nothing runs any more, or it is left to itself. */
void opening_done(Opening *o);

/* Called whenever a scan that has asked has printed something: the bootkeep-build is started, once for each
 * scan. A scan that would wait in vain is killed. */
void opening_follow(Opening *o, const OpeningRequest *request);

/* The scan has ended. */
void opening_end(Opening *o);
