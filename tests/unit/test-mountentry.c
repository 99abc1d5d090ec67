/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mountentry.h"

#include <sys/sysmacros.h>

#include "base/parse.h"
#include "disk.h"

static uint64_t mount_id(const char *path) {
        struct statx stx;
        assert_int_equal(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &stx), 0);
        return stx.stx_mnt_id;
}

/* Mounts DEVICE with OPTIONS below the scratch folder, reads its entry and unmounts it before anything is
 * checked, so that a failing test leaves no device busy. Returns the result of mount_entry_find. */
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
        /* the name of a disk as its source does not make a tmpfs a disk */
        int named = entry_of(s, d.node, "rw -t tmpfs", &e);
        disk_detach(&d);
        assert_int_equal(on_tmpfs, 0);
        assert_int_equal(named, 0);
        assert_int_equal(mount_entry_find(mount_id("/proc"), &e), 0);
        assert_int_equal(mount_entry_find(UINT64_MAX, &e), 0);
        assert_null(e.device);
}

/* What becomes of facts of a mount on D. */
static int from_facts(const Disk *d, MountFacts facts, MountEntry *ret) {
        if (facts.devno == 0)
                facts.devno = disk_devno(d->node);
        if (!facts.fstype)
                facts.fstype = "ext4";
        if (!facts.root)
                facts.root = "/";
        facts.id = 7;
        facts.target = "/mnt";
        return mount_entry_from_facts(&facts, ret);
}

static void facts_become_an_entry(void **state) {
        Scratch *s = *state;
        MountEntry e = MOUNT_ENTRY_NULL, renamed = MOUNT_ENTRY_NULL, copy = MOUNT_ENTRY_NULL,
                   gone = MOUNT_ENTRY_NULL;
        char file[128], node[64], name[64];
        uint64_t diskseq = 0;
        Disk d;
        scratch_unshare(s);
        disk_attach(&d, s, "20M", NULL, false);
        dev_t devno = disk_devno(d.node);
        (void) snprintf(node, sizeof(node), "%s", d.node);
        (void) snprintf(name, sizeof(name), "%s", d.name);
        int r = from_facts(&d, (MountFacts){.source = d.node, .root = "/@", .read_only = true}, &e);
        int r2 = from_facts(&d, (MountFacts){.source = "/dev/root"}, &renamed);
        /* a device of another kind is not that of its source */
        int none = from_facts(&d, (MountFacts){.source = d.node, .devno = makedev(7, 0xffff)}, &gone);
        int anonymous = from_facts(&d, (MountFacts){.source = "none", .devno = makedev(0, 40)}, &gone);
        int no_disk = from_facts(&d, (MountFacts){.source = "/dev/null", .devno = makedev(0, 40)}, &gone);
        int no_source = from_facts(&d, (MountFacts){.devno = makedev(0, 40)}, &gone);
        (void) snprintf(file, sizeof(file), "/sys/block/%s/diskseq", d.name);
        (void) parse_file_u64(file, &diskseq);
        disk_detach(&d);
        assert_int_equal(r, 1);
        assert_int_equal(r2, 1);
        assert_int_equal(none, 0);
        assert_int_equal(anonymous, 0);
        assert_int_equal(no_disk, 0);
        assert_int_equal(no_source, 0);
        assert_null(gone.device);
        assert_int_equal(mount_entry_copy(&e, &copy), 0);
        mount_entry_done(&e);
        assert_null(e.device);
        assert_int_equal(copy.id, 7);
        assert_true(copy.devno == devno && copy.read_only && !copy.inside_subvolume);
        assert_true(copy.diskseq == diskseq);
        assert_string_equal(copy.device, name);
        assert_string_equal(copy.node, node);
        assert_string_equal(copy.root, "/@");
        assert_string_equal(copy.target, "/mnt");
        assert_string_equal(copy.fstype, "ext4");
        assert_string_equal(renamed.node, node);
        assert_false(renamed.read_only);
        mount_entry_done(&copy);
        mount_entry_done(&renamed);
}

static void some_types_are_on_no_disk_whatever_they_say(void **state) {
        static const char *const types[] = {"",      "fuse", "fuseblk", "fuse.sshfs", "overlay", "swap",
                                            "tmpfs", "proc", "nfs",     "nfs4",       "cifs"};
        Scratch *s = *state;
        MountEntry e = MOUNT_ENTRY_NULL;
        int r[ELEMENTSOF(types)];
        Disk d;
        scratch_unshare(s);
        disk_attach(&d, s, "20M", NULL, false);
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                r[i] = from_facts(&d, (MountFacts){.source = d.node, .fstype = types[i]}, &e);
        disk_detach(&d);
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                assert_int_equal(r[i], 0);
        assert_null(e.device);
}

static void a_folder_in_a_subvolume_is_no_subvolume(void **state) {
        static const struct {
                const char *fstype, *root, *options;
                bool inside;
        } cases[] = {
                {"btrfs", "/@", "rw,subvolid=256,subvol=/@", false},
                {"btrfs", "/@/etc", "rw,subvolid=256,subvol=/@", true},
                {"btrfs", "/", "rw,subvol=/@", true},
                {"btrfs", "/@/etc", "rw", false},
                {"btrfs", "/@/etc", NULL, false},
                {"ext4", "/@/etc", "rw,subvol=/@", false},
                {"btrfs", "/a b", "rw,subvol=/a\\040b", false},
                {"btrfs", "/a b/c", "rw,subvol=/a\\040b", true},
                {"btrfs", "/a b", "rw,subvol=/a\\040b/c", true},
                {"btrfs", "/a\tb\\c", "rw,subvol=/a\\011b\\134c", false},
                {"btrfs", "/\377", "rw,subvol=/\\377", false},
                {"btrfs", "/ \\400", "rw,subvol=/\\040\\400", false},
                {"btrfs", "/ \\18", "rw,subvol=/\\040\\18", false},
                {"btrfs", "/ \\181", "rw,subvol=/\\040\\181", false},
                {"btrfs", "/ \\118", "rw,subvol=/\\040\\118", false},
                {"btrfs", "/ \\1/1", "rw,subvol=/\\040\\1/1", false},
                {"btrfs", "/ \\11/", "rw,subvol=/\\040\\11/", false},
                {"btrfs", "/ \\/11", "rw,subvol=/\\040\\/11", false},
                {"btrfs", "/ \177", "rw,subvol=/\\040\\177", false},
                {"btrfs", "/ \007", "rw,subvol=/\\040\\007", false},
                {"btrfs", "/ ", "rw,subvol=/\\040x", true},
                {"btrfs", "/ x", "rw,subvol=/\\040", true},
                {"btrfs", "/ ", "rw,subvol=/\\041", true},
                {"btrfs", "/x07", "rw,subvol=/\\170\\060\\067", false},
                {"btrfs", "/@x", "rw,subvol=/@", true},
                {"btrfs", "/@", "rw,subvol=/@x", true},
                {"btrfs", "/@y", "rw,subvol=/@x", true},
        };
        Scratch *s = *state;
        bool inside[ELEMENTSOF(cases)];
        Disk d;
        scratch_unshare(s);
        disk_attach(&d, s, "20M", NULL, false);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                MountEntry e = MOUNT_ENTRY_NULL;
                (void) from_facts(&d,
                                  (MountFacts){.source = d.node,
                                               .fstype = cases[i].fstype,
                                               .root = cases[i].root,
                                               .options = cases[i].options},
                                  &e);
                inside[i] = e.inside_subvolume;
                mount_entry_done(&e);
        }
        disk_detach(&d);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (inside[i] != cases[i].inside)
                        fail_msg("%s in %s", cases[i].root, cases[i].options);
}

static void the_name_of_a_volume_has_its_root(void **state) {
        static const struct {
                const char *root, *name;
        } cases[] = {{NULL, "sda2"}, {"", "sda2"}, {"/", "sda2"}, {"/@", "sda2[/@]"}, {"/%s", "sda2[/%s]"}};
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const MountEntry e = {.device = (char *) "sda2", .root = (char *) cases[i].root};
                _cleanup_free_ char *name = NULL;
                assert_int_equal(mount_entry_volume_name(&e, &name), 0);
                assert_string_equal(name, cases[i].name);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(subvolume_is_its_own_volume),
                scratch_test(read_only_mounts_are_told),
                scratch_test(what_is_not_on_a_disk_is_none),
                scratch_test(facts_become_an_entry),
                scratch_test(some_types_are_on_no_disk_whatever_they_say),
                scratch_test(a_folder_in_a_subvolume_is_no_subvolume),
                cmocka_unit_test(the_name_of_a_volume_has_its_root),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
