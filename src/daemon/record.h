/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon keeps of one volume: its state machine, its mounts and device, its watch and running jobs,
 * its last report, and who waits for what. It acts on nothing: daemon.c does. */

#include <systemd/sd-event.h>

#include "base/mountentry.h"
#include "daemon/core/lock.h"
#include "daemon/core/volume.h"
#include "daemon/running.h"
#include "daemon/world/bus.h"
#include "daemon/world/device.h"
#include "daemon/world/watch.h"

/* A D-Bus call that is answered when the volume has come so far. */
typedef struct Pending {
        BusCall *call;
        BusVerb verb;   /* BUS_SCAN, BUS_REBUILD or BUS_PREPARE_UNMOUNT */
        uint64_t build; /* Rebuild: answered by this build or a later one */
} Pending;

/* What the bus was last told, to tell what is new. */
typedef struct Shown {
        VolumeState state;
        bool busy, trusted;
        unsigned failures, attempts;
        char *reason, *manifest, *mount_point, *device, *uuid, *lock_holder;
        uint32_t lock_holder_pid, lock_waiters;
} Shown;

typedef struct Record {
        void *owner; /* the Daemon */
        char *name;
        Volume volume;
        Shown shown;
        char *lock_holder; /* the unique name of who holds `lock`, NULL: nobody */
        uint32_t lock_holder_pid;
        bool untold;        /* its lock changed, and is to be shown soon */
        VolumeState rested; /* the last state but scanning that the log was told */

        MountEntry *mounts; /* all mounts of it that can be built on; the first one is used */
        size_t n_mounts;
        DeviceInfo device;
        Watch *watch; /* NULL: the kernel has no inotify instance left */

        uint64_t timer_set; /* what `timer` was set to */
        sd_event_source *timer, *watch_source;
        Running scan, build;
        Report *report;     /* of the last scan that ended */
        const char *unread; /* what of the configuration could not be read, NULL: nothing; borrowed */
        char *unwatched;    /* why it is scanned on a timer, NULL: it is watched */
        char *problem;      /* why the last scan or build failed */
        bool built_badly;   /* `problem` is the build's, not the scan's */
        char *built_from;   /* what the sources were when the last build began, as the scan before it said */

        Lock lock;
        uint64_t scans_begun, scans_ended; /* each is the number of a scan */
        uint64_t look_target;              /* the scan that whoever wants to reboot or flush waits for */
        int pin;                           /* of its mount while it is busy, or negative */
        uint64_t pinned;                   /* the id of that mount */
        uint64_t unpinned_until;

        Pending *pending;
        size_t n_pending;
        uint64_t builds;                           /* begun so far */
        pid_t build_pid;                           /* of the one begun last: its lock is ours */
        uint64_t scan_due_since, stale_since;      /* 0: it is not */
        uint64_t last_build_start, last_build_end; /* CLOCK_REALTIME usec */
        int last_build_status;
} Record;

int record_new(void *owner, const char *name, bool trusted, Record **ret);
Record *record_free(Record *r);
DEFINE_CLEANUP(Record *, record_free);

/* Its mounts: copies ENTRY; the mount of the same id is replaced. */
int record_set_mount(Record *r, const MountEntry *entry);
/* Forgets the mount of this id: 1 if it had it. */
int record_drop_mount(Record *r, uint64_t id);
const MountEntry *record_mount(const Record *r);

/* Is this what ARGUMENT (a VOLUME argument of org.bootkeep1(5)) means? */
bool record_matches(const Record *r, const char *argument);

/* The state in words of its reason, "" where there is nothing to say. Owned by the caller; NULL: out of
 * memory. */
char *record_reason(const Record *r);
void record_view(const Record *r, BusVolume *ret);

/* Compares with what was shown and remembers that: the names of the properties that changed. */
int record_changes(Record *r, char ***ret);
