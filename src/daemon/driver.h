/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Drives the machine of one volume: carries events into it and its actions out, to the children, the watch,
 * the timer and the pin, and has log and bus told of it. What several volumes share (slots, holds) is given
 * by others; the driver only says that something moved. */

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
        bool pin_busy_volumes;
        bool stopping; /* nothing is started any more, and how our children end is no news */
        bool in_doubt; /* a scan failed: maybe its mount is elsewhere */

        void (*moved)(void *userdata); /* a machine moved: slots may be free, or wanted */
        /* Has the mount table looked at now: what a volume saw may have been its own unmount, which then goes
         * away. */
        void (*look_afresh)(void *userdata, bool anyway);
        void *userdata;
} Driver;

/* Gives the machine of RECORD an event and does what it asks for. */
void driver_feed(Driver *d, Record *record, VolumeEvent event);

/* What lies over the machine: each is as if nothing had happened, but for what is pinned, polled and set. */
void driver_set_lock(Driver *d, Record *record, VolumeLock lock);
void driver_set_hold(Driver *d, Record *record, VolumeHold hold, bool on);
/* One of its mounts, or what udev knows of it, changed. */
void driver_mount_changed(Driver *d, Record *record);

/* Asks for everything that RECORD may owe to be found and done now, settling nothing; done when
 * driver_has_looked(). */
void driver_hurry(Driver *d, Record *record);
bool driver_has_looked(const Record *record);

/* Ends the running children of RECORD. */
void driver_kill_children(const Record *record);
