/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mountentry.h"

#include "disk.h"

static uint64_t mount_id(const char *path) {
        struct statx stx;
        assert_int_equal(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &stx), 0);
        return stx.stx_mnt_id;
}

/* Mounts DEVICE with OPTIONS below the scratch folder, reads its entry and unmounts it, before anything is
 * checked: a failing test leaves no device busy. Returns what mount_entry_find did. */
static int entry_of(const Scratch *s, const char *device, const char *options, MountEntry *ret) {
        char target[128];
        (void) snprintf(target, sizeof(target), "%s/mnt", s->path);
        assert_true(mkdir(target, 0755) >= 0 || errno == EEXIST);
        shell("mount -o %s %s %s", options, device, target);
        int r = mount_entry_find(mount_id(target), ret);
        shell("umount %s", target);
        return r;
}

static void subvolume_is_its_own_volume(void **state) {
        Scratch *s = *state;
        MountEntry top = MOUNT_ENTRY_NULL, sub = MOUNT_ENTRY_NULL;
        char *top_name = NULL, *sub_name = NULL, expected[64];
        Disk d;
        scratch_unshare(s);
        disk_attach(&d, s, "200M", NULL, false);
        shell("mkfs.btrfs -q %s >/dev/null 2>&1 && mkdir %s/b && mount %s %s/b && btrfs -q subvolume create "
              "%s/b/@ "
              ">/dev/null; "
              "umount %s/b",
              d.node, s->path, d.node, s->path, s->path, s->path);
        int r = entry_of(s, d.node, "rw", &top), r2 = entry_of(s, d.node, "subvol=/@", &sub);
        dev_t devno = disk_devno(d.node);
        (void) snprintf(expected, sizeof(expected), "%s[/@]", d.name);
        assert_string_not_equal(d.name, "");
        char name[16], node[32];
        (void) snprintf(name, sizeof(name), "%s", d.name);
        (void) snprintf(node, sizeof(node), "%s", d.node);
        disk_detach(&d);
        assert_int_equal(r, 1);
        assert_int_equal(r2, 1);
        assert_int_equal(mount_entry_volume_name(&top, &top_name), 0);
        assert_int_equal(mount_entry_volume_name(&sub, &sub_name), 0);
        assert_string_equal(top_name, name);
        assert_string_equal(sub_name, expected);
        assert_true(sub.devno == devno); /* not the anonymous number of the mount */
        assert_string_equal(sub.node, node);
        assert_string_equal(sub.root, "/@");
        assert_string_equal(sub.fstype, "btrfs");
        assert_false(sub.read_only);
        mount_entry_done(&top);
        mount_entry_done(&sub);
        free(top_name);
        free(sub_name);
}

static void read_only_mounts_are_told(void **state) {
        Scratch *s = *state;
        MountEntry rw = MOUNT_ENTRY_NULL, ro = MOUNT_ENTRY_NULL;
        Disk d;
        scratch_unshare(s);
        disk_attach(&d, s, "20M", NULL, false);
        shell("mkfs.ext4 -q %s", d.node);
        int r = entry_of(s, d.node, "rw", &rw), r2 = entry_of(s, d.node, "ro", &ro);
        disk_detach(&d);
        assert_int_equal(r, 1);
        assert_int_equal(r2, 1);
        assert_false(rw.read_only);
        assert_true(ro.read_only);
        assert_string_equal(rw.root, "/");
        assert_non_null(strstr(rw.target, "/mnt"));
        mount_entry_done(&rw);
        mount_entry_done(&ro);
}

static void what_is_not_on_a_disk_is_none(void **state) {
        Scratch *s = *state;
        MountEntry e = MOUNT_ENTRY_NULL;
        Disk d;
        scratch_unshare(s);
        disk_attach(&d, s, "20M", NULL, false);
        int on_tmpfs = entry_of(s, "tmpfs", "rw -t tmpfs", &e);
        /* the name of a disk as its source makes no disk of a tmpfs */
        int named = entry_of(s, d.node, "rw -t tmpfs", &e);
        disk_detach(&d);
        assert_int_equal(on_tmpfs, 0);
        assert_int_equal(named, 0);
        assert_int_equal(mount_entry_find(mount_id("/proc"), &e), 0);
        assert_int_equal(mount_entry_find(UINT64_MAX, &e), 0);
        assert_null(e.device);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(subvolume_is_its_own_volume),
                scratch_test(read_only_mounts_are_told),
                scratch_test(what_is_not_on_a_disk_is_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
