/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects of the volumes: their properties, taken from views that the owner of the volumes provides. */

#include <systemd/sd-bus.h>

#include "base/report.h"

/* What the bus shows of a volume. Everything is borrowed until the volume's next event. */
typedef struct BusVolume {
        const char *name, *device, *mount_point, *fstype, *uuid, *manifest, *state, *reason;
        bool busy, trusted;
        const char *lock_holder;
        unsigned lock_holder_pid, lock_waiters;
        unsigned failures, attempts;
        const char *last_failure;
        uint64_t last_build_start, last_build_end; /* CLOCK_REALTIME, 0: none yet */
        int last_build_status;
        const Report *report; /* of the last scan, or NULL */
        uint64_t progress_done, progress_of;
} BusVolume;

typedef struct BusVolumeSource {
        void *(*find)(void *userdata, const char *name); /* the volume of this exact name, or NULL */
        void *(*next)(void *userdata, void *volume);     /* the one after VOLUME (NULL: the first), or NULL */
        void (*view)(void *volume, BusVolume *ret);
} BusVolumeSource;

typedef struct BusVolumes {
        const BusVolumeSource *source;
        void *userdata; /* for `find` and `next` */
        void *found;    /* by sd-bus's question for an object, for the getters that it calls right after it */
} BusVolumes;

/* B must outlive BUS. */
int bus_volumes_export(BusVolumes *b, sd_bus *bus);
