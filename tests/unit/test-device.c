/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/device.h"

#include <poll.h>

#include "disk.h"

#define UUID "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"

/* A disk of our own, and the machine's udevd, which sees it appear and change. */
typedef struct World {
        Disk disk;
        DeviceMonitor *monitor;
        dev_t devno;
        DeviceInfo info;
        unsigned events;
} World;

static void note(dev_t devno, void *userdata) {
        World *w = userdata;
        w->events += devno == w->devno;
}

static void world_enter(World *w, Scratch *s, const char *table) {
        *w = (World){};
        if (geteuid() != 0 || system("udevadm control --ping --timeout=5 2>/dev/null") != 0)
                skip();
        assert_int_equal(device_monitor_new(&w->monitor), 0);
        disk_attach(&w->disk, s, "8M", table, true);
        w->devno = disk_devno(w->disk.node);
}

static void world_leave(World *w) {
        device_info_done(&w->info);
        device_monitor_free(w->monitor);
        shell("udevadm settle --timeout=30"); /* nobody has the disk open any more */
        disk_detach(&w->disk);
}

/* udevd may have missed what was written while it probed the last time: it probes again now. */
static void udev_looks(const char *node) {
        shell("udevadm settle --timeout=30; udevadm trigger --action=change %s", node);
}

/* Looks up the device again with each event until it has the expected UUID. */
static void await_uuid(World *w, const char *uuid) {
        for (;;) {
                device_info_done(&w->info);
                int r = device_monitor_look_up(w->monitor, w->devno, &w->info);
                assert_true(r >= 0 || r == -ENODEV);
                if (r >= 0 && streq_ptr(w->info.uuid, uuid))
                        return;
                struct pollfd p = {.fd = device_monitor_get_fd(w->monitor), .events = POLLIN};
                assert_int_equal(poll(&p, 1, 60000), 1);
                assert_int_equal(device_monitor_dispatch(w->monitor, note, w), 0);
        }
}

static void await_event(World *w) {
        while (w->events == 0) {
                struct pollfd p = {.fd = device_monitor_get_fd(w->monitor), .events = POLLIN};
                assert_int_equal(poll(&p, 1, 60000), 1);
                assert_int_equal(device_monitor_dispatch(w->monitor, note, w), 0);
        }
}

static void a_new_file_system_is_reported_with_uuid_and_label(void **state) {
        Scratch *s = *state;
        World w;
        world_enter(&w, s, NULL);
        shell("mkfs.ext4 -q -F -U " UUID " -L 'two words' %s", w.disk.node);
        udev_looks(w.disk.node);
        await_uuid(&w, UUID);
        await_event(&w);
        assert_string_equal(w.info.node, w.disk.node);
        assert_string_equal(w.info.label, "two words");
        assert_true(strv_contains(w.info.links, "/dev/disk/by-uuid/" UUID));
        /* a loop device is as good as its file */
        char *serial = NULL;
        assert_int_equal(strprintf(&serial, "loop:%s/disk", s->path), 0);
        assert_string_equal(w.info.serial, serial);
        free(serial);
        shell("wipefs -q -a %s", w.disk.node);
        udev_looks(w.disk.node);
        await_uuid(&w, NULL);
        assert_null(w.info.label);
        world_leave(&w);
}

static void partition_has_its_own_uuid(void **state) {
        World w;
        world_enter(&w, *state, "label: gpt\\nuuid=" UUID "\\n");
        char node[64];
        (void) snprintf(node, sizeof(node), "%sp1", w.disk.node);
        w.devno = disk_devno(node);
        shell("mkfs.ext4 -q -F %s", node);
        udev_looks(node);
        for (;;) { /* the partition table is read by udevd in its time, too */
                device_info_done(&w.info);
                int r = device_monitor_look_up(w.monitor, w.devno, &w.info);
                assert_true(r >= 0 || r == -ENODEV);
                if (w.info.uuid && w.info.partuuid)
                        break;
                struct pollfd p = {.fd = device_monitor_get_fd(w.monitor), .events = POLLIN};
                assert_int_equal(poll(&p, 1, 60000), 1);
                assert_int_equal(device_monitor_dispatch(w.monitor, note, &w), 0);
        }
        assert_string_equal(w.info.partuuid, UUID);
        assert_non_null(startswith(w.info.serial, "loop:"));
        assert_string_equal(w.info.node, node);
        world_leave(&w);
}

static void label_is_written_as_people_write_it(void **state) {
        World w;
        world_enter(&w, *state, NULL);
        shell("mkfs.ext4 -q -F -U " UUID " -L \"$(printf 'a/\\303\\244\\\\x41')\" %s", w.disk.node);
        udev_looks(w.disk.node);
        await_uuid(&w, UUID);
        assert_string_equal(w.info.label, "a/\303\244\\x41");
        world_leave(&w);
}

static void missing_device_is_none(void **state) {
        DeviceMonitor *m = NULL;
        DeviceInfo info = {};
        assert_int_equal(device_monitor_new(&m), 0);
        assert_int_equal(device_monitor_look_up(m, makedev(4000, 1), &info), -ENODEV);
        assert_int_equal(device_monitor_look_up(m, 0, &info), -ENODEV);
        assert_null(info.node);
        device_monitor_free(m);
}

static void quiet_monitor_reports_nothing(void **state) {
        World w = {};
        assert_int_equal(device_monitor_new(&w.monitor), 0);
        assert_true(device_monitor_get_fd(w.monitor) >= 0);
        assert_int_equal(device_monitor_dispatch(w.monitor, note, &w), 0); /* and does not wait */
        device_monitor_free(w.monitor);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(a_new_file_system_is_reported_with_uuid_and_label),
                scratch_test(partition_has_its_own_uuid),
                scratch_test(label_is_written_as_people_write_it),
                cmocka_unit_test(missing_device_is_none),
                cmocka_unit_test(quiet_monitor_reports_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
