/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/device.h"

#include <libudev.h>
#include <sys/inotify.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/log.h"

typedef struct udev Udev;
typedef struct udev_device UdevDevice;

DEFINE_CLEANUP(UdevDevice *, udev_device_unref);

/* Where udev keeps a file for each device, which it replaces before it announces anything of it: `b8:2`. The
 * last one; before it, the folders that a udevd makes when it is the first to run, from the outermost on. */
static const char *const database_path[] = {"/run", "/run/udev", "/run/udev/data"};

#define DATABASE (ELEMENTSOF(database_path) - 1)

struct DeviceMonitor {
        Udev *udev;
        int inotify;
        int watches[ELEMENTSOF(database_path)]; /* negative: none */
};

/* 1; 0: not there. What is around it is watched only until it is, and armed first, so that nothing can appear
 * unnoticed. */
static int watch_database(DeviceMonitor *m) {
        for (size_t i = 0; i < ELEMENTSOF(database_path); i++) {
                uint32_t mask = i == DATABASE ? IN_MOVED_TO : IN_CREATE | IN_MOVED_TO;
                m->watches[i] = inotify_add_watch(m->inotify, database_path[i], mask | IN_ONLYDIR);
                if (m->watches[i] < 0)
                        return errno == ENOENT ? 0 : error_origin(-errno);
        }
        for (size_t i = 0; i < DATABASE; i++)
                (void) inotify_rm_watch(m->inotify, m->watches[i]);
        return 1;
}

int device_monitor_new(DeviceMonitor **ret) {
        _cleanup_(device_monitor_freep) DeviceMonitor *m = calloc(1, sizeof(*m));
        if (!m)
                return error_origin(-ENOMEM);
        m->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (m->inotify < 0)
                return error_origin(-errno);
        m->watches[DATABASE] = -1;
        m->udev = udev_new();
        if (!m->udev)
                return error_origin(-ENOMEM);
        int r = watch_database(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

DeviceMonitor *device_monitor_free(DeviceMonitor *m) {
        if (m) {
                closep(&m->inotify);
                udev_unref(m->udev);
        }
        free(m);
        return NULL;
}

int device_monitor_get_fd(const DeviceMonitor *m) {
        return m->inotify;
}

static void take_database_event(const struct inotify_event *e, device_event_t event, void *userdata) {
        unsigned major_number, minor_number;
        int end = 0;
        if (e->len > 0 && sscanf(e->name, "b%u:%u%n", &major_number, &minor_number, &end) == 2 &&
            !e->name[end])
                event(makedev(major_number, minor_number), userdata);
}

int device_monitor_dispatch(DeviceMonitor *m, device_event_t event, void *userdata) {
        _Alignas(struct inotify_event) char buffer[16 * 1024];
        bool lost = false, missing = m->watches[DATABASE] < 0;
        for (ssize_t n; (n = read(m->inotify, buffer, sizeof(buffer))) > 0;)
                for (const char *p = buffer; p < buffer + n;) {
                        const struct inotify_event *e = (const void *) p;
                        lost = lost || (e->mask & IN_Q_OVERFLOW);
                        take_database_event(e, event, userdata);
                        p += sizeof(*e) + e->len;
                }
        int r = missing ? watch_database(m) : 0;
        return lost ? error_origin(-ENOBUFS) : r;
}

static int copy_property(UdevDevice *d, const char *name, char **ret) {
        const char *value = udev_device_get_property_value(d, name);
        return value ? free_and_strdup(ret, value) : 0;
}

static int hex_digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* udev writes the odd bytes of a label as \xHH; people write the label itself. */
static void decode_label(char *s) {
        char *to = s;
        while (*s) {
                bool escape = s[0] == '\\' && s[1] == 'x' && hex_digit(s[2]) >= 0 && hex_digit(s[3]) >= 0;
                *to++ = escape ? (char) (hex_digit(s[2]) * 16 + hex_digit(s[3])) : *s;
                s += escape ? 4 : 1;
        }
        *to = 0;
}

static int copy_links(UdevDevice *d, DeviceInfo *i) {
        struct udev_list_entry *e;
        udev_list_entry_foreach(e, udev_device_get_devlinks_list_entry(d)) {
                int r = strv_extend(&i->links, udev_list_entry_get_name(e));
                if (r < 0)
                        return r;
        }
        return 0;
}

static UdevDevice *disk_of(UdevDevice *d) { /* borrowed */
        const char *type = udev_device_get_devtype(d);
        return type && streq(type, "partition") ? udev_device_get_parent(d) : d;
}

/* What distinguishes its disk from a copy of it. For a loop device, which not only root may be able to set
 * up, that is its file. */
static int copy_serial(UdevDevice *d, char **ret) {
        static const char *const properties[] = {"ID_SERIAL", "DM_UUID", "MD_UUID"};
        UdevDevice *disk = disk_of(d);
        const char *file = disk ? udev_device_get_sysattr_value(disk, "loop/backing_file") : NULL;
        for (size_t i = 0; i < ELEMENTSOF(properties); i++) {
                int r = copy_property(d, properties[i], ret);
                if (r != 0)
                        return r;
        }
        return file ? strprintf(ret, "loop:%s", file) : 0;
}

/* udev lags behind the kernel: what it says may be about the medium that was in the device before. A link
 * names the one that it saw; if its rules make no such link, udev is trusted. */
static bool device_is_outdated(UdevDevice *d) {
        UdevDevice *disk = disk_of(d);
        const char *now = disk ? udev_device_get_sysattr_value(disk, "diskseq") : NULL;
        bool outdated = false;
        struct udev_list_entry *e;
        if (!now)
                return false;
        udev_list_entry_foreach(e, udev_device_get_devlinks_list_entry(disk)) {
                const char *seen = startswith(udev_list_entry_get_name(e), "/dev/disk/by-diskseq/");
                if (seen && streq(seen, now))
                        return false;
                outdated = outdated || seen;
        }
        return outdated;
}

void device_info_done(DeviceInfo *i) {
        free(i->node);
        strv_free(i->links);
        free(i->uuid);
        free(i->label);
        free(i->partuuid);
        free(i->serial);
        *i = (DeviceInfo){};
}

int device_monitor_look_up(DeviceMonitor *m, dev_t devno, DeviceInfo *ret) {
        assert(m && ret);
        _cleanup_(device_info_done) DeviceInfo i = {};
        _cleanup_(udev_device_unrefp) UdevDevice *d = udev_device_new_from_devnum(m->udev, 'b', devno);
        if (!d)
                return errno == ENOMEM ? error_origin(-ENOMEM) : error_origin(-ENODEV);
        const struct {
                const char *name;
                char **to;
        } properties[] = {
                {"ID_FS_UUID", &i.uuid},
                {"ID_FS_LABEL_ENC", &i.label},
                {"ID_PART_ENTRY_UUID", &i.partuuid},
        };
        bool outdated = device_is_outdated(d); /* an event is on its way */
        if (outdated)
                log_debug("%s: udev has not probed its present content yet",
                          strempty(udev_device_get_devnode(d)));
        for (size_t n = 0; !outdated && n < ELEMENTSOF(properties); n++)
                if (copy_property(d, properties[n].name, properties[n].to) < 0)
                        return error_origin(-ENOMEM);
        if (!outdated && copy_serial(d, &i.serial) < 0)
                return error_origin(-ENOMEM);
        if (free_and_strdup(&i.node, udev_device_get_devnode(d)) < 0 || (!outdated && copy_links(d, &i) < 0))
                return error_origin(-ENOMEM);
        if (i.label)
                decode_label(i.label);
        *ret = i;
        i = (DeviceInfo){};
        return 0;
}
