/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/record.h"

#include "disk.h"
#include "fixture.h"

#define UUID "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
#define PARTUUID "eb511f56-56dc-0a40-8fa7-050aed9e7758"

static MountEntry entry(uint64_t id, const char *target) {
        return (MountEntry){.id = id,
                            .devno = makedev(4000, 2),
                            .device = (char *) "sda2",
                            .node = (char *) "/dev/mapper/os",
                            .root = (char *) "/",
                            .target = (char *) (uintptr_t) target,
                            .fstype = (char *) "ext4"};
}

static Record *volume(const char *name, const char *target) {
        Record *r = NULL;
        MountEntry e = entry(7, target);
        assert_int_equal(record_new(NULL, name, true, &r), 0);
        assert_int_equal(record_set_mount(r, &e), 0);
        return r;
}

static void volume_is_called_by_its_name_its_device_and_its_mount_points(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2[/@]", "/mnt/a place");
        MountEntry second = entry(8, "/mnt/second\n\xc3\xa4");
        assert_int_equal(record_set_mount(r, &second), 0);
        assert_true(record_matches(r, "sda2[/@]"));
        assert_true(record_matches(r, "sda2"));
        assert_true(record_matches(r, "/mnt/a place"));
        assert_true(record_matches(r, "/mnt/a place/")); /* as a shell completes it */
        assert_true(record_matches(r, "/mnt/second\n\xc3\xa4"));
        static const char *const others[] = {"",       "sda",
                                             "sda21",  "sda2[/",
                                             "SDA2",   "/mnt",
                                             "/mnt/a", "/mnt/a place/x",
                                             "/",      "/dev/sda2",
                                             ".",      "/dev/",
                                             "/dev",   "/mnt/a\\040place"};
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (record_matches(r, others[i]))
                        fail_msg("%s", others[i]);
}

static void a_subvolume_is_called_as_findmnt_writes_it(void **state) {
        _cleanup_(record_freep) Record *r = NULL;
        MountEntry e = entry(7, "/mnt");
        e.root = (char *) "/@ a";
        assert_int_equal(record_new(NULL, "sda2[/@ a]", true, &r), 0);
        assert_int_equal(record_set_mount(r, &e), 0);
        assert_true(record_matches(r, "/dev/mapper/os[/@ a]"));
        static const char *const others[] = {"/dev/mapper/os[/@ a", "/dev/mapper/os[/@ a]]",
                                             "/dev/mapper/os[/@]",  "/dev/mapper/os[/@ ab]",
                                             "/dev/mapper/os[]",    "/dev/mapper/os/@ a]"};
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (record_matches(r, others[i]))
                        fail_msg("%s", others[i]);
}

static void tags_match_whole_and_hexadecimal_ones_in_any_case(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        assert_false(record_matches(r, "UUID=" UUID)); /* udev knows nothing yet */
        assert_false(record_matches(r, "UUID="));
        r->device =
                (DeviceInfo){.uuid = strdup(UUID), .label = strdup("My Disk"), .partuuid = strdup(PARTUUID)};
        static const struct {
                const char *argument;
                bool is;
        } tags[] = {
                {"UUID=" UUID, true},
                {"UUID=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", true},
                {"UUID=4f68bce3-e8cd-4db1-96e7-fbcaf984b70", false},
                {"UUID=", false},
                {"uuid=" UUID, false},
                {"UUID=" PARTUUID, false},
                {"PARTUUID=" PARTUUID, true},
                {"PARTUUID=EB511F56-56DC-0A40-8FA7-050AED9E7758", true},
                {"PARTUUID=" UUID, false},
                {"LABEL=My Disk", true},
                {"LABEL=my disk", false},
                {"LABEL=My\\x20Disk", false},
                {"LABEL=", false},
                {UUID, false},
                {"My Disk", false},
                {"SERIAL=x", false},
        };
        for (size_t i = 0; i < ELEMENTSOF(tags); i++)
                if (record_matches(r, tags[i].argument) != tags[i].is)
                        fail_msg("%s", tags[i].argument);
}

static void links_that_udev_knows_are_names(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        r->device.node = strdup("/dev/sda2");
        assert_int_equal(strv_extend(&r->device.links, "/dev/disk/by-id/nothing-part2"), 0);
        assert_true(record_matches(r, "/dev/sda2"));
        assert_true(record_matches(r, "/dev/disk/by-id/nothing-part2"));
        assert_false(record_matches(r, "/dev/disk/by-id/nothing"));
}

/* Whoever asks may be anybody, and the daemon must not be led to a place that does not answer. */
static void node_is_found_below_dev_and_nowhere_else(void **state) {
        const Scratch *s = *state;
        Disk d;
        disk_attach(&d, s, "1M", NULL, false);
        _cleanup_(record_freep) Record *r = volume("other", "/mnt");
        r->mounts[0].devno = disk_devno(d.node);
        char shm[] = "/dev/shm/bootkeep-test-XXXXXX", away[64], link[64], *copy = outer_path(s, "copy");
        assert_non_null(mkdtemp(shm));
        (void) snprintf(away, sizeof(away), "/dev/../dev/%s", d.name);
        (void) snprintf(link, sizeof(link), "%s/link", shm);
        assert_int_equal(symlink(d.node, link), 0);
        assert_int_equal(mknod(copy, S_IFBLK | 0600, r->mounts[0].devno), 0);
        bool node = record_matches(r, d.node), dots = record_matches(r, away),
             linked = record_matches(r, link), copied = record_matches(r, copy);
        shell("rm -r %s", shm);
        disk_detach(&d);
        assert_true(node);
        assert_false(dots);
        assert_false(linked);
        assert_false(copied);
        free(copy);
}

static void first_mount_is_used_until_it_goes(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/first");
        MountEntry second = entry(8, "/second"), moved = entry(7, "/moved");
        assert_int_equal(record_set_mount(r, &second), 0);
        assert_string_equal(record_mount(r)->target, "/first");
        assert_int_equal(record_set_mount(r, &moved), 0); /* the same mount, elsewhere */
        assert_int_equal(r->n_mounts, 2);
        assert_string_equal(record_mount(r)->target, "/moved");
        assert_int_equal(record_drop_mount(r, 99), 0);
        assert_int_equal(record_drop_mount(r, 7), 1);
        assert_int_equal(record_drop_mount(r, 7), 0);
        assert_string_equal(record_mount(r)->target, "/second");
        assert_int_equal(record_drop_mount(r, 8), 1);
        assert_null(record_mount(r));
        assert_false(record_matches(r, "/second"));
}

static void entry_is_copied(void **state) {
        char target[] = "/mnt";
        _cleanup_(record_freep) Record *r = volume("sda2", target);
        memcpy(target, "XXXX", 4);
        assert_string_equal(record_mount(r)->target, "/mnt");
}

static void assert_changes(Record *r, const char *expected) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_free_ char *text = strdup("");
        assert_int_equal(record_changes(r, &names), 0);
        for (char **n = names; n && *n; n++) {
                char *longer = NULL;
                assert_int_equal(strprintf(&longer, "%s%s%s", text, *text ? " " : "", *n), 0);
                free(text);
                text = longer;
        }
        assert_string_equal(text, expected);
}

static void each_change_is_told_once(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        _cleanup_strv_free_ char **all = NULL;
        assert_int_equal(record_changes(r, &all), 0);
        assert_true(strv_contains(all, "State") && strv_contains(all, "MountPoint"));
        assert_changes(r, "");
        r->volume.state = VOLUME_SETTLING;
        assert_changes(r, "State Busy StateReason");
        assert_changes(r, "");
        r->volume.state = VOLUME_FRESH;
        r->volume.failures = 2;
        r->volume.attempts = 3;
        assert_changes(r, "State Busy Failures Attempts StateReason");
        r->volume.trusted = false;
        assert_changes(r, "Trusted");
        r->report = report_new();
        assert_int_equal(report_parse_line(r->report, "MANIFEST /etc/bootkeep/bootcaches.xml"), 0);
        assert_changes(r, "Manifest");
        r->device.uuid = strdup(UUID);
        assert_changes(r, "UUID");
        r->device.node = strdup("/dev/sda2");
        assert_changes(r, "Device");
        MountEntry moved = entry(7, "/moved");
        assert_int_equal(record_set_mount(r, &moved), 0);
        assert_changes(r, "MountPoint");
        assert_changes(r, "");
}

static void assert_reason(const Record *r, const char *expected) {
        _cleanup_free_ char *reason = record_reason(r);
        assert_string_equal(reason, expected);
}

static void reason_says_why_the_state_is_what_it_is(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        for (VolumeState s = 0; s < _VOLUME_STATE_MAX; s++) { /* none of them without a report */
                r->volume.state = s;
                _cleanup_free_ char *reason = record_reason(r);
                assert_non_null(reason);
        }
        r->report = report_new();
        assert_int_equal(report_parse_line(r->report, "CACHE modules-dep 6.1 fresh"), 0);
        assert_int_equal(report_parse_line(r->report, "CACHE initramfs 6.1 stale /etc/x changed size"), 0);
        assert_int_equal(report_parse_line(r->report, "HELPER sda1 esp " PARTUUID " stale - stamp missing"),
                         0);
        r->volume.state = VOLUME_STALE;
        _cleanup_free_ char *free_of_holds = record_reason(r);
        assert_non_null(startswith(free_of_holds, "cache initramfs 6.1: /etc/x changed"));
        volume_hold(&r->volume, VOLUME_HOLD_BOOT, true);
        _cleanup_free_ char *held = record_reason(r);
        assert_non_null(strstr(held, "held back because the machine has just booted"));
        volume_hold(&r->volume, VOLUME_HOLD_PACKAGES, true);
        _cleanup_free_ char *packages = record_reason(r);
        assert_non_null(strstr(packages, "package manager"));
        r->volume.state = VOLUME_FRESH;
        assert_reason(r, "");
        r->problem = strdup("the disk is full");
        r->volume.state = VOLUME_FAILED;
        assert_reason(r, "the disk is full");
        r->volume.state = VOLUME_GIVEN_UP;
        r->volume.failures = 5;
        r->volume.attempts = 6;
        assert_reason(r, "5 failures, 6 builds: the disk is full");
}

static void view_shows_what_is(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        _cleanup_strv_free_ char **all = NULL;
        BusVolume v = {};
        assert_int_equal(record_changes(r, &all), 0); /* the texts are those that were told */
        record_view(r, &v);
        assert_string_equal(v.name, "sda2");
        assert_string_equal(v.device, "/dev/mapper/os"); /* as mounted, where udev does not know better */
        assert_string_equal(v.mount_point, "/mnt");
        assert_string_equal(v.fstype, "ext4");
        assert_string_equal(v.state, "new");
        assert_true(v.trusted);
        assert_int_equal(v.progress_of, 0);
        assert_int_equal(record_drop_mount(r, 7), 1);
        record_view(r, &v);
        assert_string_equal(v.mount_point, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(volume_is_called_by_its_name_its_device_and_its_mount_points),
                cmocka_unit_test(a_subvolume_is_called_as_findmnt_writes_it),
                cmocka_unit_test(tags_match_whole_and_hexadecimal_ones_in_any_case),
                cmocka_unit_test(links_that_udev_knows_are_names),
                scratch_test(node_is_found_below_dev_and_nowhere_else),
                cmocka_unit_test(first_mount_is_used_until_it_goes),
                cmocka_unit_test(entry_is_copied),
                cmocka_unit_test(each_change_is_told_once),
                cmocka_unit_test(reason_says_why_the_state_is_what_it_is),
                cmocka_unit_test(view_shows_what_is),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
