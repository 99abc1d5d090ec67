/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/census.h"

#include <poll.h>
#include <sys/epoll.h>

#include "base/error.h"
#include "base/log.h"
#include "daemon/world/mounts.h"

struct Census {
        Daemon *daemon;
        Mounts *mounts;
        DeviceMonitor *devices; /* NULL: no udev, so volumes have no UUID and cannot be enrolled */
        sd_event_source *mount_source, *device_source;
        sd_event_source *pause; /* until the mount table may be read again */
        bool failing;           /* reading failed the last time: read again even without a change */
};

/* A storm of mounts may take this part of a processor; the time between two reads has a minimum and a
 * maximum. */
#define LOOK_SHARE 20
#define PAUSE_MIN_USEC (20 * USEC_PER_MSEC)
#define PAUSE_MAX_USEC USEC_PER_SEC

bool census_is_volume(const MountEntry *e) {
        bool subvolume = streq(e->fstype, "btrfs") && !e->inside_subvolume;
        return !e->read_only && (streq(e->root, "/") || subvolume || streq(e->target, "/"));
}

static DeviceInfo look_up_device(Census *c, dev_t devno) {
        DeviceInfo info = {};
        int r = c->devices ? device_monitor_look_up(c->devices, devno, &info) : error_origin(-ENODEV);
        if (r < 0 && r != -ENODEV)
                log_warning_errno(r, "Failed to query udev for a device, ignoring");
        return info;
}

static int note_mounted(Census *c, const MountEntry *e) {
        _cleanup_free_ char *name = NULL;
        int r = mount_entry_volume_name(e, &name);
        if (r < 0)
                return r;
        _cleanup_(device_info_done) DeviceInfo info = look_up_device(c, e->devno);
        return daemon_mounted(c->daemon, name, e, &info);
}

static void on_mount(MountChange change, const MountEntry *e, void *userdata) {
        Census *c = userdata;
        if (change == MOUNT_REMOVED || !census_is_volume(e)) {
                daemon_unmounted(c->daemon, e->id);
                return;
        }
        int r = note_mounted(c, e);
        if (r < 0)
                log_errno(r, "Failed to start watching %s", e->target);
}

static void on_cover(const MountEntry *on, const char *target, void *userdata) {
        Census *c = userdata;
        const char *below = startswith(target, on->target);
        assert(*on->target);
        if (!below || (*below && *below != '/' && !streq(on->target, "/")))
                return; /* a folder above it is being renamed */
        daemon_covered(c->daemon, on->id, streq(on->target, "/") ? target : *below ? below : "/");
}

/* The first change is read at once, the following ones in a storm together. */
static int pause_after(Census *c, uint64_t cost) {
        uint64_t pause = MIN(MAX(cost * LOOK_SHARE, PAUSE_MIN_USEC), PAUSE_MAX_USEC);
        if (c->failing)
                pause = PAUSE_MAX_USEC;
        int r = sd_event_source_set_time(c->pause, now_usec() + pause);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->pause, SD_EVENT_ONESHOT);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->mount_source, SD_EVENT_OFF);
        return r;
}

static int look_at_mounts(Census *c) {
        uint64_t start = now_usec();
        int r = mounts_dispatch(c->mounts, on_mount, c);
        if (r >= 0)
                r = mounts_tell_covers(c->mounts, on_cover, c);
        if (r < 0 && !c->failing)
                log_errno(r, "Failed to read the mount table, retrying");
        c->failing = r < 0;
        return pause_after(c, now_usec() - start);
}

static int on_pause_over(sd_event_source *s, uint64_t usec, void *userdata) {
        Census *c = userdata;
        return c->failing ? look_at_mounts(c) : sd_event_source_set_enabled(c->mount_source, SD_EVENT_ON);
}

static int on_mount_table(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        return look_at_mounts(userdata);
}

static bool is_on_device(const Record *record, dev_t devno) {
        const MountEntry *m = record_mount(record);
        return m && m->devno == devno;
}

/* DEVNO 0: any of them may have changed. */
static void look_up_devices_again(Census *c, dev_t devno) {
        for (Record *record = daemon_next(c->daemon, NULL); record; record = daemon_next(c->daemon, record)) {
                if (devno != 0 && !is_on_device(record, devno))
                        continue;
                _cleanup_(device_info_done) DeviceInfo info = look_up_device(c, record_mount(record)->devno);
                daemon_device_changed(c->daemon, record, &info);
        }
}

/* One that was pulled stays a volume while it is mounted: the mount table reports its loss. */
static void on_device(dev_t devno, void *userdata) {
        look_up_devices_again(userdata, devno);
}

static int on_devices(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Census *c = userdata;
        int r = device_monitor_dispatch(c->devices, on_device, c);
        if (r == -ENOBUFS)
                log_warning("Events from udev were lost, reading all devices again");
        else if (r < 0)
                log_errno(r, "Failed to read events from udev");
        if (r > 0 || r == -ENOBUFS)
                look_up_devices_again(c, 0);
        return 0;
}

void census_look(Census *c) {
        int r = look_at_mounts(c);
        if (r < 0)
                log_errno(r, "Failed to set the timer for the mount table");
}

bool census_is_behind(const Census *c) {
        struct pollfd p = {.fd = mounts_get_fd(c->mounts), .events = POLLIN};
        return poll(&p, 1, 0) > 0;
}

static int follow_devices(Census *c) {
        int r = device_monitor_new(&c->devices);
        if (r < 0) {
                log_warning_errno(r, "Cannot monitor udev, continuing without UUIDs and labels");
                return 0;
        }
        return sd_event_add_io(daemon_event_loop(c->daemon), &c->device_source,
                               device_monitor_get_fd(c->devices), EPOLLIN, on_devices, c);
}

int census_new(Daemon *d, Census **ret) {
        _cleanup_(census_freep) Census *c = calloc(1, sizeof(*c));
        if (!c)
                return error_origin(-ENOMEM);
        c->daemon = d;
        int r = follow_devices(c);
        if (r >= 0)
                r = mounts_new(NULL, daemon_options(d)->mount_table, &c->mounts);
        if (r >= 0)
                r = sd_event_add_io(daemon_event_loop(d), &c->mount_source, mounts_get_fd(c->mounts), EPOLLIN,
                                    on_mount_table, c);
        if (r >= 0)
                r = sd_event_add_time(daemon_event_loop(d), &c->pause, CLOCK_BOOTTIME, 0, 1000, on_pause_over,
                                      c);
        if (r >= 0)
                r = mounts_dispatch(c->mounts, on_mount, c);
        if (r >= 0) /* what exists already is not news */
                r = mounts_tell_covers(c->mounts, on_cover, c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

Census *census_free(Census *c) {
        if (c) {
                sd_event_source_disable_unref(c->mount_source);
                sd_event_source_disable_unref(c->device_source);
                sd_event_source_disable_unref(c->pause);
                mounts_free(c->mounts);
                device_monitor_free(c->devices);
        }
        free(c);
        return NULL;
}
