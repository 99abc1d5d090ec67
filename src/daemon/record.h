/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon keeps of one volume: its state machine, its mounts and device, its watch and running jobs,
 * its last report, and the calls that wait for it. It acts on nothing: driver.c does. */

#include <systemd/sd-event.h>

#include "base/mountentry.h"
#include "daemon/core/volume.h"
#include "daemon/opening.h"
#include "daemon/running.h"
#include "daemon/waiter.h"
#include "daemon/world/bus.h"
#include "daemon/world/device.h"
#include "daemon/world/watch.h"

#define RECORD_PROPERTIES 14

typedef struct Record {
        struct Driver *driver;
        char *name;
        Volume volume;

        MountEntry *mounts; /* all mounts of it that can be built on; the first one is used */
        size_t n_mounts;
        DeviceInfo device;
        int pin;         /* of its mount while it is busy, or negative */
        uint64_t pinned; /* the id of that mount */
        uint64_t unpinned_until;

        Watch *watch;       /* NULL: the kernel has no inotify instance left */
        char *unwatched;    /* why it is scanned on a timer, NULL: it is watched */
        uint64_t armed_for; /* what `timer` was set to */
        sd_event_source *timer, *watch_source;

        Running scan, build;
        Opening opening;    /* of stamps that a mount covers, for the scan */
        const char *unread; /* what could not be read of the configuration, NULL: nothing; borrowed */
        const char *no_bus; /* why only systemd could build it, and is not reached; NULL: it is; borrowed */
        Report *report;     /* of the last scan that ended */
        char *problem;      /* why the last scan, build or client failed, or was put off */
        bool built_badly;   /* `problem` is that of the build, not of the scan */
        char *failure;      /* the last `problem` that counts in `volume.failures` */
        char *build_why;    /* what was stale when the last build began, for the history */
        char *put_off;      /* why it was put off, as last noted there; NULL: it was not */
        char *built_from;   /* the sources when the last build began, as reported by the scan before it */
        uint64_t scans_begun, scans_ended; /* each is the number of a scan */
        uint64_t left_alone_until;         /* it was just mounted: its first scan waits, unless requested */
        uint64_t look_target;              /* the scan that callers of LockReboot and Flush wait for */
        uint64_t builds;                   /* number begun so far */
        uint64_t builds_told;              /* number of the last one that was logged as begun */
        bool build_forced;                 /* likewise */
        pid_t build_pid;                   /* of the last one begun, once known: its lock is ours */
        uint64_t sign_of_life;             /* when a build began, ended or did something */
        uint64_t scan_due_since, stale_since; /* 0: it is not */
        uint64_t unheld_since; /* the package manager that holds it back has no lock; 0: it has */
        uint64_t last_build_start, last_build_end; /* CLOCK_REALTIME usec */
        int last_build_status;
        bool built_nothing; /* the last one had nothing to build, after all */

        LockClient switch_by; /* it said that something is between two sets, which counts … */
        uint64_t switch_end;  /* … until then; 0: nothing is */

        Lock lock;
        WaiterQueue waiters; /* for a scan, a build, an unmount */

        char *reason;                      /* of its state, as last reported */
        uint64_t shown[RECORD_PROPERTIES]; /* hashes of what the bus was last told */
        VolumeState told_state,
                told_rested; /* the last one that was logged, and the last one except scanning */
        bool untold;         /* its lock changed, which must be shown soon */
} Record;

/* DRIVER is borrowed. */
int record_new(struct Driver *driver, const char *name, Record **ret);
/* No call waits for it any more. */
Record *record_free(Record *record);
DEFINE_CLEANUP(Record *, record_free);

/* Its mounts: copies ENTRY; a mount with the same ID is replaced. */
int record_set_mount(Record *record, const MountEntry *entry);
/* Forgets the mount with this ID: 1 if it had it. */
int record_drop_mount(Record *record, uint64_t id);
/* The one that is used, or NULL: the last one is gone. */
const MountEntry *record_mount(const Record *record);

/* Is it mounted at /? */
bool record_is_running_system(const Record *record);

/* Does its running build wait for another build of it? */
bool record_build_waits(const Record *record);

/* What makes a build of this volume impossible now, in words; NULL: nothing. */
const char *record_obstacle(const Record *record);
/* The same, or what holds for all volumes: whoever requests a build. */
const char *record_block(const Record *record);
/* The machine is told of it. */
void record_follow_block(Record *record);

/* May PATH, or anything below or above it, matter to the volume, according to its last scan, or because one
 * is running? */
bool record_has_place(const Record *record, const char *path);
