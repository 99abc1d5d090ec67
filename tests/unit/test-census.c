/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/census.h"

#include "scratch.h"

/* Which mounts are volumes of their own, and which only part of one. */
static void mounts_are_distinguished_by_what_they_show(void **state) {
        static const struct {
                const char *fstype, *root, *target;
                bool read_only, is_volume, inside_subvolume;
        } mounts[] = {
                {"ext4", "/", "/mnt", false, true},
                {"xfs", "/", "/mnt/with space", false, true},
                {"vfat", "/", "/boot/efi", false, true},
                {"btrfs", "/@", "/mnt", false, true},
                {"btrfs", "/", "/mnt", false, true},
                {"ext4", "/", "/", false, true},
                {"ext4", "/ostree/deploy/x", "/", false, true}, /* what the system runs from */
                {"ext4", "/home", "/mnt/home", false, false},   /* a bind mount of a part */
                {"xfs", "/etc/hosts", "/etc/hosts", false, false},
                {"btrfs", "/@/home", "/mnt/home", false, false, .inside_subvolume = true},
                {"btrfs", "/@/ostree/x", "/", false, true, .inside_subvolume = true},
                {"ext4", "/", "/mnt", true, false},
                {"btrfs", "/@", "/", true, false},
                {"ext4", "/ostree/deploy/x", "/", true, false},
        };
        for (size_t i = 0; i < ELEMENTSOF(mounts); i++) {
                const MountEntry e = {
                        .fstype = (char *) (uintptr_t) mounts[i].fstype,
                        .root = (char *) (uintptr_t) mounts[i].root,
                        .target = (char *) (uintptr_t) mounts[i].target,
                        .read_only = mounts[i].read_only,
                        .inside_subvolume = mounts[i].inside_subvolume,
                };
                if (census_is_volume(&e) != mounts[i].is_volume)
                        fail_msg("%s %s on %s", e.fstype, e.root, e.target);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(mounts_are_distinguished_by_what_they_show),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
