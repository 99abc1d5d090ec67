/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Owns the volumes, the settings and who is trusted; starts and stops. What one machine does is driver.c's,
 * what volumes share slots.c's; census.c brings volumes in, commands.c brings calls. */

#include <systemd/sd-event.h>

#include "daemon/driver.h"
#include "daemon/world/settings.h"
#include "daemon/world/trust.h"

typedef struct DaemonOptions { /* of the command line; borrowed for ever */
        const char *config;    /* --config=, or NULL */
        const char *builders;  /* --builders=, or NULL */
        const char *libexec;
        const char *state;
        bool watch;
} DaemonOptions;

typedef struct Daemon Daemon;

/* Takes over SETTINGS (left empty). */
int daemon_new(sd_event *event, const DaemonOptions *options, Settings *settings, Daemon **ret);
Daemon *daemon_free(Daemon *d);
DEFINE_CLEANUP(Daemon *, daemon_free);

sd_event *daemon_event_loop(Daemon *d);
const DaemonOptions *daemon_options(const Daemon *d);
/* Where to tell what happens; what it points to is owned by the caller. */
void daemon_set_news(Daemon *d, const News *news);
/* What has the mount table looked at now. ANYWAY: also if nothing was told of it since the last look: where a
 * folder above a mount was renamed the kernel does not tell, but the next scan does not find it. */
typedef void (*look_afresh_t)(void *userdata, bool anyway);
void daemon_set_look_afresh(Daemon *d, look_afresh_t look_afresh, void *userdata);
void daemon_look_afresh(Daemon *d, bool anyway);
/* The configuration was read again; takes it over. */
void daemon_set_settings(Daemon *d, Settings *settings);

/* Volumes. */
Record *daemon_find(Daemon *d, const char *name);
/* By whatever a person may call it. */
Record *daemon_look_up(Daemon *d, const char *argument);
/* In order of appearance; after NULL comes the first. */
Record *daemon_next(Daemon *d, const Record *record);

/* A mount of the volume NAME came or changed: the volume is made if it is new. DEVICE is taken over. */
int daemon_mounted(Daemon *d, const char *name, const MountEntry *mount, DeviceInfo *device);
/* The mount with this id is gone or can no longer be built on; with its last one the volume goes. */
void daemon_unmounted(Daemon *d, uint64_t id);
/* Something was mounted on PATH within the mount ID, or is there no longer: what is below is hidden or laid
 * bare, of which no watch tells. A change if the volume has anything there. */
void daemon_covered(Daemon *d, uint64_t id, const char *path);
/* What udev knows of its device changed. INFO is taken over. */
void daemon_device_changed(Daemon *d, Record *record, DeviceInfo *info);

/* Enrols or forgets, and tells all volumes of that file system. -EINVAL: it has no UUID; -ENOENT: was not
 * enrolled. */
int daemon_trust(Daemon *d, Record *record, bool trusted);

/* Drives the machines of the volumes. */
Driver *daemon_driver(Daemon *d);
/* Its lock, or the reboot lock, was taken or given back. */
void daemon_set_lock(Daemon *d, Record *record, VolumeLock lock);

/* What stands above the daemon is told: after each batch of events, when a volume has come, before anything
 * is done for it, and before it goes. */
typedef struct DaemonHooks {
        void (*settled)(void *userdata);
        void (*added)(void *userdata, Record *record);
        void (*removed)(void *userdata, Record *record);
} DaemonHooks;
void daemon_set_hooks(Daemon *d, const DaemonHooks *hooks, void *userdata);
/* Has `settled` called also if no volume had anything to do. */
void daemon_settle_accounts(Daemon *d);

/* Puts the call in line; it is answered when the volume has come so far. */
void daemon_request(Daemon *d, Record *record, BusVerb verb, bool force, BusCall *call);

/* Names of the busy volumes, as a strv of the caller's. */
int daemon_busy(Daemon *d, char ***ret);

/* Tells running children to end, and ends the loop when they have, or soon. */
void daemon_stop(Daemon *d);
