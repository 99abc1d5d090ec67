/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/match.h"

#include "disk.h"
#include "volumerecord.h"

static void volume_is_called_by_its_name_its_device_and_its_mount_points(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2[/@]", "/mnt/a place");
        MountEntry second = entry(8, "/mnt/second\n\xc3\xa4");
        assert_int_equal(record_set_mount(r, &second), 0);
        assert_true(match_volume(r, "sda2[/@]"));
        assert_true(match_volume(r, "sda2"));
        assert_true(match_volume(r, "/mnt/a place"));
        assert_true(match_volume(r, "/mnt/a place/")); /* as a shell completes it */
        assert_true(match_volume(r, "/mnt/a place///"));
        assert_true(match_volume(r, "/mnt/second\n\xc3\xa4"));
        static const char *const others[] = {"",       "sda",
                                             "sda21",  "sda2[/",
                                             "SDA2",   "/mnt",
                                             "/mnt/a", "/mnt/a place/x",
                                             "/",      "/dev/sda2",
                                             ".",      "/dev/",
                                             "/dev",   "/mnt/a\\040place"};
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (match_volume(r, others[i]))
                        fail_msg("%s", others[i]);
}

static void a_subvolume_is_called_as_findmnt_writes_it(void **state) {
        _cleanup_(record_freep) Record *r = NULL;
        MountEntry e = entry(7, "/mnt");
        e.root = (char *) "/@ a";
        assert_int_equal(record_new(NULL, "sda2[/@ a]", &r), 0);
        assert_int_equal(record_set_mount(r, &e), 0);
        assert_true(match_volume(r, "/dev/mapper/os[/@ a]"));
        static const char *const others[] = {"/dev/mapper/os[/@ a", "/dev/mapper/os[/@ a]]",
                                             "/dev/mapper/os[/@]",  "/dev/mapper/os[/@ ab]",
                                             "/dev/mapper/os[]",    "/dev/mapper/os/@ a]",
                                             "/dev/mapper/osX/@ a]"};
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (match_volume(r, others[i]))
                        fail_msg("%s", others[i]);
}

static void tags_match_whole_and_hexadecimal_ones_in_any_case(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        assert_false(match_volume(r, "UUID=" UUID)); /* udev knows nothing yet */
        assert_false(match_volume(r, "UUID="));
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
                if (match_volume(r, tags[i].argument) != tags[i].is)
                        fail_msg("%s", tags[i].argument);
}

/* As after a reboot of the other system: a UUID alone, or nothing, is no tag's value. */
static void a_tag_of_a_device_unknown_to_udev_matches_nothing(void **state) {
        static const char *const tags[] = {"UUID=", "LABEL=", "PARTUUID=", "LABEL=/mnt", "UUID=sda2"};
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        for (size_t i = 0; i < ELEMENTSOF(tags); i++)
                assert_false(match_volume(r, tags[i]));
        r->device.label = strdup("");
        assert_true(match_volume(r, "LABEL="));
}

/* Which has no name of its own in /dev, and must not be matched by everything that begins with it. */
static void volume_without_a_mount_has_its_name_and_what_udev_knows(void **state) {
        _cleanup_(record_freep) Record *r = NULL;
        assert_int_equal(record_new(NULL, "sda2", &r), 0);
        r->device.node = strdup("/dev/sda2");
        assert_true(match_volume(r, "sda2"));
        assert_true(match_volume(r, "/dev/sda2"));
        assert_false(match_volume(r, "/mnt"));
        assert_false(match_volume(r, ""));
}

static void root_of_the_system_is_called_by_its_slash(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/");
        assert_true(match_volume(r, "/"));
        assert_true(match_volume(r, "//"));
        assert_false(match_volume(r, "/mnt"));
        _cleanup_(record_freep) Record *gone = volume("sda3", "");
        assert_false(match_volume(gone, "/"));
        assert_false(match_volume(gone, ""));
}

static void links_that_udev_knows_are_names(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        r->device.node = strdup("/dev/sda2");
        assert_int_equal(strv_extend(&r->device.links, "/dev/disk/by-id/nothing-part2"), 0);
        assert_true(match_volume(r, "/dev/sda2"));
        assert_true(match_volume(r, "/dev/disk/by-id/nothing-part2"));
        assert_false(match_volume(r, "/dev/disk/by-id/nothing"));
}

/* Anybody may ask, and the daemon must not be led to a place that does not respond. */
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
        char *other_mount = NULL;
        assert_int_equal(strprintf(&other_mount, "%s/node", shm), 0);
        assert_int_equal(mknod(other_mount, S_IFBLK | 0600, r->mounts[0].devno), 0);
        bool elsewhere = match_volume(r, other_mount);
        free(other_mount);
        bool node = match_volume(r, d.node), dots = match_volume(r, away), linked = match_volume(r, link),
             copied = match_volume(r, copy);
        r->mounts[0].devno++; /* of another device */
        bool other = match_volume(r, d.node);
        shell("rm -r %s", shm);
        disk_detach(&d);
        assert_true(node);
        assert_false(other);
        assert_false(elsewhere);
        assert_false(dots);
        assert_false(linked);
        assert_false(copied);
        free(copy);
}

/* A folder in /dev of the test's own. */
typedef struct DevFolder {
        char path[32];
} DevFolder;

static DevFolder dev_folder(void) {
        DevFolder f = {.path = "/dev/bootkeep-test-XXXXXX"};
        if (geteuid() != 0)
                skip();
        assert_non_null(mkdtemp(f.path));
        return f;
}

/* It is only looked at: opening a FIFO would wait for somebody at the other end. */
static void a_name_below_dev_is_not_opened(void **state) {
        _cleanup_(record_freep) Record *r = volume("other", "/mnt");
        DevFolder f = dev_folder();
        char fifo[64];
        (void) snprintf(fifo, sizeof(fifo), "%s/fifo", f.path);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        bool found = match_volume(r, fifo);
        shell("rm -r %s", f.path);
        assert_false(found);
}

/* udev does not know these names. */
static void a_link_within_dev_is_followed_and_a_character_device_does_not_count(void **state) {
        Disk d;
        disk_attach(&d, *state, "1M", NULL, false);
        _cleanup_(record_freep) Record *r = volume("other", "/mnt");
        r->mounts[0].devno = disk_devno(d.node);
        DevFolder f = dev_folder();
        char link[64], odd[64], target[64];
        (void) snprintf(link, sizeof(link), "%s/link", f.path);
        (void) snprintf(odd, sizeof(odd), "%s/odd", f.path);
        (void) snprintf(target, sizeof(target), "../%s", d.name);
        assert_int_equal(symlink(target, link), 0);
        assert_int_equal(mknod(odd, S_IFCHR | 0600, r->mounts[0].devno), 0);
        bool linked = match_volume(r, link), odd_one = match_volume(r, odd);
        shell("rm -r %s", f.path);
        disk_detach(&d);
        assert_true(linked);
        assert_false(odd_one);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_tag_of_a_device_unknown_to_udev_matches_nothing),
                cmocka_unit_test(volume_without_a_mount_has_its_name_and_what_udev_knows),
                cmocka_unit_test(root_of_the_system_is_called_by_its_slash),
                cmocka_unit_test(a_name_below_dev_is_not_opened),
                scratch_test(a_link_within_dev_is_followed_and_a_character_device_does_not_count),
                cmocka_unit_test(volume_is_called_by_its_name_its_device_and_its_mount_points),
                cmocka_unit_test(a_subvolume_is_called_as_findmnt_writes_it),
                cmocka_unit_test(tags_match_whole_and_hexadecimal_ones_in_any_case),
                cmocka_unit_test(links_that_udev_knows_are_names),
                scratch_test(node_is_found_below_dev_and_nowhere_else),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
