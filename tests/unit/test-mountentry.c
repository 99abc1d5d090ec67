/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mountentry.h"

#include <sys/sysmacros.h>

#include <libmount.h>

#include "base/parse.h"
#include "disk.h"
#include "interpose.h"

/* What the kernel would say about devices that the machine does not have. */
static struct {
        const char *link; /* of any device in /sys/dev/block; NULL: what there really is */
        int no_table;     /* there is no mount table, for this reason; -1: for none */
} world;

ssize_t readlink(const char *path, char *buf, size_t len) {
        if (!world.link || !startswith(path, "/sys/dev/block/"))
                return REAL(readlink)(path, buf, len);
        size_t n = MIN(strlen(world.link), len);
        memcpy(buf, world.link, n);
        return (ssize_t) n;
}

struct libmnt_table *mnt_new_table_from_file(const char *file) {
        if (world.no_table == 0)
                return REAL(mnt_new_table_from_file)(file);
        errno = MAX(world.no_table, 0);
        return NULL;
}

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

static void read_only_mounts_are_recognized(void **state) {
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

static void mounts_without_a_disk_are_not_volumes(void **state) {
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

static void some_types_are_never_on_a_disk(void **state) {
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
                {"btrfs", "/a\\040b", "rw,subvol=/a\\040b", false}, /* no escape, but a name */
                {"btrfs", "/ ", "rw,subvol=/\\041", true},
                {"btrfs", "/ x101", "rw,subvol=/\\040x101", false},
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

static void a_name_of_sysfs_is_that_of_the_node(void **state) {
        static const struct {
                const char *link, *device, *node;
        } cases[] = {
                {"../../devices/pci0/block/cciss!c0d0/cciss!c0d0p1", "cciss/c0d0p1", "/dev/cciss/c0d0p1"},
                {"../../devices/x!y/block/a!b!c", "a/b/c", "/dev/a/b/c"},
                {"sdx", "sdx", "/dev/sdx"},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                MountEntry e = MOUNT_ENTRY_NULL;
                world.link = cases[i].link;
                int r = mount_entry_from_facts(&(const MountFacts){.devno = makedev(4000, 1),
                                                                   .source = "/dev/root",
                                                                   .root = "/",
                                                                   .target = "/mnt",
                                                                   .fstype = "ext4"},
                                               &e);
                world.link = NULL;
                assert_int_equal(r, 1);
                assert_string_equal(e.device, cases[i].device);
                assert_string_equal(e.node, cases[i].node);
                assert_true(e.devno == makedev(4000, 1));
                assert_int_equal(e.diskseq, 0); /* it has none */
                mount_entry_done(&e);
        }
}

/* As a source, with the anonymous number that btrfs shows. */
static int from_source(const char *source, MountEntry *ret) {
        return mount_entry_from_facts(&(const MountFacts){.devno = makedev(0, 40),
                                                          .source = source,
                                                          .root = "/",
                                                          .target = "/mnt",
                                                          .fstype = "btrfs"},
                                      ret);
}

static void only_a_block_device_in_dev_is_a_source(void **state) {
        Scratch *s = *state;
        MountEntry e = MOUNT_ENTRY_NULL, named = MOUNT_ENTRY_NULL, gone = MOUNT_ENTRY_NULL;
        char elsewhere[128];
        Disk d;
        scratch_unshare(s);
        disk_attach(&d, s, "20M", NULL, false);
        dev_t devno = disk_devno(d.node);
        (void) snprintf(elsewhere, sizeof(elsewhere), "%s/node", s->path);
        /* in /dev, but with names that the machine's own devices do not have */
        int made = mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL);
        made |= mknod("/dev/shm/block", S_IFBLK | 0600, devno);
        made |= mknod("/dev/shm/character", S_IFCHR | 0600, devno);
        made |= mknod(elsewhere, S_IFBLK | 0600, devno);
        int r = from_source(d.node, &e), r2 = from_source("/dev/shm/block", &named);
        const char *const others[] = {elsewhere, "/dev/shm/character", "/dev/shm/none", "/dev/shm"};
        int none[ELEMENTSOF(others)];
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                none[i] = from_source(others[i], &gone);
        disk_detach(&d);
        assert_int_equal(made, 0);
        assert_int_equal(r, 1);
        assert_int_equal(r2, 1);
        assert_true(e.devno == devno && named.devno == devno);
        assert_string_equal(named.node, "/dev/shm/block"); /* as mounted */
        mount_entry_done(&e);
        mount_entry_done(&named);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_int_equal(none[i], 0);
        assert_null(gone.device);
}

static void a_partition_has_the_number_of_its_disk(void **state) {
        Scratch *s = *state;
        MountEntry disk = MOUNT_ENTRY_NULL, partition = MOUNT_ENTRY_NULL;
        char file[128], line[32], expected[32];
        uint64_t diskseq = 0;
        dev_t devno = 0;
        Disk d;
        scratch_unshare(s);
        disk_attach(&d, s, "20M", "label: gpt\n,10M\n", true);
        (void) snprintf(file, sizeof(file), "cat /sys/block/%s/%sp1/dev", d.name, d.name);
        shell_line(file, line, sizeof(line));
        (void) parse_devno(line, &devno);
        (void) snprintf(file, sizeof(file), "/sys/block/%s/diskseq", d.name);
        (void) parse_file_u64(file, &diskseq);
        (void) snprintf(expected, sizeof(expected), "%sp1", d.name);
        int r = from_facts(&d, (MountFacts){.source = "/dev/root"}, &disk),
            r2 = from_facts(&d, (MountFacts){.source = "/dev/root", .devno = devno}, &partition);
        disk_detach(&d);
        assert_int_equal(r, 1);
        assert_int_equal(r2, 1);
        assert_string_equal(partition.device, expected);
        assert_true(diskseq > 0 && disk.diskseq == diskseq && partition.diskseq == diskseq);
        mount_entry_done(&disk);
        mount_entry_done(&partition);
}

/* The facts of LINE of a mount table; the strings belong to *RET_TABLE. */
static MountFacts facts_of(const Scratch *s, const char *line, struct libmnt_table **ret_table) {
        char path[128];
        struct libmnt_fs *fs = NULL;
        MountFacts facts;
        scratch_write(s, "mountinfo", line);
        (void) snprintf(path, sizeof(path), "%s/mountinfo", s->path);
        *ret_table = mnt_new_table_from_file(path);
        assert_non_null(*ret_table);
        assert_int_equal(mnt_table_first_fs(*ret_table, &fs), 0);
        mount_facts_from_fs(fs, &facts);
        return facts;
}

static void a_line_of_the_mount_table_is_read(void **state) {
        struct libmnt_table *table;
        MountFacts f = facts_of(
                *state, "36 35 98:5 /a\\040b /mnt/c rw,noatime shared:1 - ext3 /dev/sdx rw,errors=x\n",
                &table);
        assert_int_equal(f.id, 36);
        assert_true(f.devno == makedev(98, 5));
        assert_string_equal(f.source, "/dev/sdx");
        assert_string_equal(f.root, "/a b");
        assert_string_equal(f.target, "/mnt/c");
        assert_string_equal(f.fstype, "ext3");
        assert_string_equal(f.options, "rw,errors=x");
        mnt_unref_table(table);
}

static void a_mount_is_read_only_by_itself_or_by_its_file_system(void **state) {
        static const struct {
                const char *mount, *fs;
                bool read_only;
        } cases[] = {
                {"rw", "rw", false},
                {"ro", "rw", true},
                {"rw", "ro", true},
                {"ro", "ro", true},
                {"ro,relatime", "rw", true},
                {"rw", "ro,noatime", true},
                {"rw,relatime", "rw,errors=remount-ro", false},
                {"rw,relatime", "rw,roo,xro", false},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct libmnt_table *table;
                char line[128];
                (void) snprintf(line, sizeof(line), "36 35 98:5 / /mnt %s - ext3 /dev/sdx %s\n",
                                cases[i].mount, cases[i].fs);
                bool read_only = facts_of(*state, line, &table).read_only;
                mnt_unref_table(table);
                if (read_only != cases[i].read_only)
                        fail_msg("%s - %s", cases[i].mount, cases[i].fs);
        }
}

static void what_a_mount_lacks_is_empty(void **state) {
        struct libmnt_fs *fs = mnt_new_fs();
        MountFacts f;
        assert_non_null(fs);
        mount_facts_from_fs(fs, &f);
        assert_string_equal(f.root, "");
        assert_string_equal(f.target, "");
        assert_string_equal(f.fstype, "");
        assert_null(f.source);
        assert_null(f.options);
        assert_false(f.read_only);
        mnt_unref_fs(fs);
}

static void without_a_mount_table_the_error_is_reported(void **state) {
        MountEntry e = {.id = 7};
        world.no_table = EACCES;
        int r = mount_entry_find(1, &e);
        world.no_table = -1;
        int r2 = mount_entry_find(1, &e);
        world.no_table = 0;
        assert_int_equal(r, -EACCES);
        assert_int_equal(r2, -ENOMEM);
        assert_int_equal(e.id, 7);
}

static void an_entry_may_lack_strings(void **state) {
        const MountEntry e = {.id = 3, .inside_subvolume = true, .diskseq = 9};
        MountEntry copy = {.id = 7, .read_only = true};
        assert_int_equal(mount_entry_copy(&e, &copy), 0);
        assert_int_equal(copy.id, 3);
        assert_int_equal(copy.diskseq, 9);
        assert_true(copy.inside_subvolume && !copy.read_only && copy.devno == 0);
        assert_true(!copy.device && !copy.node && !copy.root && !copy.target && !copy.fstype);
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
        _cleanup_free_ char *odd = NULL; /* as device-mapper may call one */
        assert_int_equal(mount_entry_volume_name(&(const MountEntry){.device = (char *) "a%%b"}, &odd), 0);
        assert_string_equal(odd, "a%%b");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(subvolume_is_its_own_volume),
                scratch_test(read_only_mounts_are_recognized),
                scratch_test(mounts_without_a_disk_are_not_volumes),
                scratch_test(facts_become_an_entry),
                scratch_test(some_types_are_never_on_a_disk),
                scratch_test(a_folder_in_a_subvolume_is_no_subvolume),
                cmocka_unit_test(a_name_of_sysfs_is_that_of_the_node),
                scratch_test(only_a_block_device_in_dev_is_a_source),
                scratch_test(a_partition_has_the_number_of_its_disk),
                scratch_test(a_line_of_the_mount_table_is_read),
                scratch_test(a_mount_is_read_only_by_itself_or_by_its_file_system),
                cmocka_unit_test(what_a_mount_lacks_is_empty),
                cmocka_unit_test(without_a_mount_table_the_error_is_reported),
                cmocka_unit_test(an_entry_may_lack_strings),
                cmocka_unit_test(the_name_of_a_volume_has_its_root),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
