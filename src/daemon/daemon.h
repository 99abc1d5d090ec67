/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Owns the volumes, the settings and the list of trusted volumes; starts and stops. driver.c drives each
 * machine, slots.c handles what volumes share; census.c adds volumes, commands.c brings calls. */

#include <systemd/sd-event.h>

#include "base/owed.h"
#include "daemon/driver.h"
#include "daemon/world/packages.h"
#include "daemon/world/settings.h"
#include "daemon/world/trust.h"

typedef struct DaemonOptions { /* of the command line; borrowed for the whole lifetime */
        const char *config;    /* --config=, or NULL */
        const char *builders;  /* --builders=, or NULL */
        const char *libexec;
        const char *state;
        const char *runtime; /* what is to outlive the daemon, but not the system */
        bool build_units;    /* builds run in units of their own, if systemd starts them */
        const char *units;   /* where systemd looks for drop-ins that last until the next boot */
        /* The mountinfo of the machine; NULL: of the daemon, which is not in a mount namespace of its own. */
        const char *mount_table;
        bool watch;
} DaemonOptions;

typedef struct Daemon Daemon;

/* Takes over SETTINGS (left empty). */
int daemon_new(sd_event *event, const DaemonOptions *options, Settings *settings, Daemon **ret);
Daemon *daemon_free(Daemon *d);
DEFINE_CLEANUP(Daemon *, daemon_free);

sd_event *daemon_event_loop(Daemon *d);
const DaemonOptions *daemon_options(const Daemon *d);
const Settings *daemon_settings(const Daemon *d);
/* Where to report what happens; what it points to is owned by the caller. */
void daemon_set_news(Daemon *d, const News *news);
/* The function that has the mount table read now. ANYWAY: even if no change was reported since the last time:
 * the kernel does not report that a folder above a mount was renamed, but the next scan does not find the
 * mount. */
typedef void (*look_afresh_t)(void *userdata, bool anyway);
void daemon_set_look_afresh(Daemon *d, look_afresh_t look_afresh, void *userdata);
void daemon_look_afresh(Daemon *d, bool anyway);
/* The configuration was reloaded; takes it over. */
void daemon_set_settings(Daemon *d, Settings *settings);

/* Volumes. */
Record *daemon_find(Daemon *d, const char *name);
/* By anything that a person may call it. */
Record *daemon_look_up(Daemon *d, const char *argument);
/* In order of appearance; after NULL comes the first. */
Record *daemon_next(Daemon *d, const Record *record);

/* A mount of the volume NAME appeared or changed: the volume is created if it is new. DEVICE is taken
 * over. */
int daemon_mounted(Daemon *d, const char *name, const MountEntry *mount, DeviceInfo *device);
/* The mount with this ID is gone or can no longer be built on; with its last mount the volume is removed. */
void daemon_unmounted(Daemon *d, uint64_t id);
/* Something was mounted on PATH within the mount ID, or no longer is: what is below it is hidden or
 * uncovered, which no watch reports. This is a change if the volume has anything there. */
void daemon_covered(Daemon *d, uint64_t id, const char *path);
/* What udev knows about its device changed. INFO is taken over. */
void daemon_device_changed(Daemon *d, Record *record, DeviceInfo *info);

/* Enrols or forgets it, and updates all volumes of that file system. -EINVAL: it has no UUID; -ENOENT: it was
 * not enrolled. */
int daemon_trust(Daemon *d, Record *record, bool trusted);

/* Drives the machines of the volumes. */
Driver *daemon_driver(Daemon *d);
/* What of RUNNING still runs is ended, and nobody waits for it. */
void daemon_abandon(Daemon *d, Running *running);
/* Its lock, or the reboot lock, was taken or released. */
void daemon_set_lock(Daemon *d, Record *record, VolumeLock lock);

/* Calls to the layers above the daemon: after each batch of events, and when a volume has appeared, before
 * anything is done for it. */
typedef struct DaemonHooks {
        void (*settled)(void *userdata);
        void (*added)(void *userdata, Record *record);
        /* Takes out of LOCKED what does not hold builds back now. */
        void (*forgive)(void *userdata, LockedFiles *locked);
} DaemonHooks;
void daemon_set_hooks(Daemon *d, const DaemonHooks *hooks, void *userdata);
/* Has `settled` called even if no volume had anything to do. */
void daemon_settle_accounts(Daemon *d);

/* All calls that wait for something. */
Waiters *daemon_waiters(Daemon *d);
/* CALLER requests a scan, a build (of everything, if FORCE) or the preparation of an unmount, and is answered
 * when the volume has got that far. */
void daemon_request(Daemon *d, Record *record, WaitFor what, bool force, const Caller *caller);

/* Names of the busy volumes, as a strv of the caller's. */
int daemon_busy(Daemon *d, char ***ret);
/* Is none busy, as the scans have shown that driver_hurry() requested? */
bool daemon_is_quiet(Daemon *d);

/* What the machine was booted from and why that is old; "": it was not, or that is not known. Borrowed. */
const char *daemon_booted_stale(const Daemon *d);
/* What was owed when the system last went down. Borrowed, until the next event. */
const OwedList *daemon_owed(const Daemon *d);
/* FlushTimeoutSec=. */
uint64_t daemon_flush_timeout(const Daemon *d);
/* The system goes down (ON), see slots_set_last_chance(). */
void daemon_set_last_chance(Daemon *d, bool on);
/* The bus is there (ON), or gone, see slots_set_connected(). */
void daemon_set_connected(Daemon *d, bool on);

/* Tells running children to stop, and exits the loop when they have, or soon. */
void daemon_stop(Daemon *d);
