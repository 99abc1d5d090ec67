/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Drives the machine of one volume: passes events to it and carries out its actions, with the children, the
 * watch, the timer and the pin, and has the log and the bus informed. What several volumes share (slots,
 * holds) is handled elsewhere; the driver only reports that something changed. */

#include "daemon/chronicle.h"
#include "daemon/launch.h"
#include "daemon/news.h"
#include "daemon/roster.h"

/* Shared by all volumes; embedded in the daemon, which sets it. */
typedef struct Driver {
        sd_event *event; /* borrowed, as all below */
        const Roster *volumes;
        News news;
        VolumeConfig config;
        LaunchOptions launch;
        Chronicle chronicle;
        bool pin_busy_volumes;
        bool stopping;  /* nothing is started any more, and how our children end is not news */
        bool in_doubt;  /* a scan failed: maybe its mount is elsewhere */
        char *no_units; /* why builds do not run in units of their own, as last logged; NULL: they do */

        void (*moved)(void *userdata); /* a machine changed: slots may be free, or wanted */
        /* Has the mount table read now: what a volume's watch reported may have been its own unmount, after
         * which the volume is gone. */
        void (*look_afresh)(void *userdata, bool anyway);
        void *userdata;
} Driver;

/* To the bus, and so to systemd; NULL: there is none. */
sd_bus *driver_get_connection(const Driver *d);

/* Feeds the machine of RECORD an event and carries out its actions. */
void driver_feed(Driver *d, Record *record, VolumeEvent event);

/* A client that changed the volume failed, and why; PROBLEM is taken over. The event follows. */
void driver_note_failure(Record *record, char *problem);

/* Changes outside the machine: these are not events, but affect what is pinned, polled and set. */
void driver_set_lock(Driver *d, Record *record, VolumeLock lock);
void driver_set_hold(Driver *d, Record *record, VolumeHold hold, bool on);
/* One of its mounts, or what udev knows about it, changed. */
void driver_mount_changed(Driver *d, Record *record);

/* Requests that everything owed on RECORD is found and done now, without settling; found when
 * driver_has_looked(). */
void driver_hurry(Driver *d, Record *record);
bool driver_has_looked(const Record *record);
/* Is no volume busy, as the scans have shown that were requested? */
bool driver_is_quiet(const Driver *d);

/* Is a build of RECORD, just added, still running that an earlier daemon began, or has it ended without being
 * concluded? It is listened to; its event, VOLUME_BUILD_ADOPTED, follows VOLUME_APPEARED. */
bool driver_find_build(Driver *d, Record *record);
/* Is PID its build? Once asked while that runs, this is known afterwards, too. */
bool driver_is_build(Record *record, pid_t pid);

/* Stops the running children of RECORD. Builds in units go on: the next daemon adopts them. */
void driver_kill_children(const Record *record);
