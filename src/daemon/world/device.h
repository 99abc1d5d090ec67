/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Block devices as udev knows them. Everything comes from udev's database and /sys: no device is ever opened,
 * so none can hold us. That something changed is told by the database as well: udev's own messages come by
 * the network of the machine, which the daemon's unit has no part in. */

#include <sys/types.h>

#include "base/util.h"

typedef struct DeviceMonitor DeviceMonitor;

/* What a device may be called, and what distinguishes it from others; each is NULL if udev does not know
 * it. */
typedef struct DeviceInfo {
        char *node;   /* /dev/sda2 */
        char **links; /* strv: /dev/disk/by-… */
        char *uuid, *label;
        char *partuuid;
        char *serial; /* of the disk, or what takes its place: see copy_serial() */
} DeviceInfo;

void device_info_done(DeviceInfo *i);

/* -errno where udev cannot be followed. As long as no udev has run there are no events. */
int device_monitor_new(DeviceMonitor **ret);
DeviceMonitor *device_monitor_free(DeviceMonitor *m);
DEFINE_CLEANUP(DeviceMonitor *, device_monitor_free);

/* A device of this number was added or changed. */
typedef void (*device_event_t)(dev_t devno, void *userdata);

int device_monitor_get_fd(const DeviceMonitor *m);
/* Takes all events that are queued. Every device must be looked up again if some were lost (-ENOBUFS), or
 * if a udev runs for the first time (1). */
int device_monitor_dispatch(DeviceMonitor *m, device_event_t event, void *userdata);

/* 0, -ENODEV, -ENOMEM. Leaves out UUID, label and serial while udev only knows about a medium that was in the
 * device before: an event will follow. */
int device_monitor_look_up(DeviceMonitor *m, dev_t devno, DeviceInfo *ret);
