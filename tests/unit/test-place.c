/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/place.h"

#include "walkworld.h"

static void own_state_is_one_folder_and_what_is_below_it(void **state) {
        static const char *const own[] = {"/var/lib/bootkeep", "/var/lib/bootkeep/",
                                          "/var/lib/bootkeep/caches/x"};
        static const char *const others[] = {"/var/lib/bootkeeper", "/var/lib/bootkee",     "/var/lib", "/",
                                             "/x/var/lib/bootkeep", "/var/lib/bootkeep.d/x"};
        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                assert_true(place_is_own_state(own[i]));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_false(place_is_own_state(others[i]));
}

static void places_are_told_apart_by_device_and_inode(void **state) {
        const struct statx a = {.stx_dev_major = 1, .stx_dev_minor = 2, .stx_ino = 3};
        const struct statx others[] = {
                {.stx_dev_major = 2, .stx_dev_minor = 2, .stx_ino = 3},
                {.stx_dev_major = 1, .stx_dev_minor = 1, .stx_ino = 3},
                {.stx_dev_major = 1, .stx_dev_minor = 2, .stx_ino = 4},
                {.stx_dev_major = 0, .stx_dev_minor = 3, .stx_ino = 3},
                {.stx_dev_major = 2, .stx_dev_minor = 1, .stx_ino = 3},
        };
        const PlaceIdentity mine = place_identity(&a), again = place_identity(&a);
        assert_true(place_identity_equal(&mine, &again));
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                const PlaceIdentity other = place_identity(&others[i]);
                assert_false(place_identity_equal(&mine, &other));
        }
}

static void path_has_room_for_4095_bytes(void **state) {
        static char path[PLACE_PATH_ROOM];
        char name[256];
        size_t length = 0;
        memset(name, 'n', sizeof(name));
        name[255] = 0;
        path[0] = 0;
        for (unsigned i = 0; i < 15; i++)
                assert_int_equal(place_path_append(path, &length, name), 0);
        assert_int_equal(length, 15 * 256);
        for (size_t i = 0; i < length; i++)
                assert_int_equal(path[i], i % 256 == 0 ? '/' : 'n');
        assert_int_equal(place_path_append(path, &length, name), -ENAMETOOLONG);
        assert_int_equal(length, 15 * 256);
        assert_int_equal(strlen(path), length);
        assert_int_equal(place_path_append(path, &length, name + 1), 0);
        assert_int_equal(length, 4095);
        assert_int_equal(strlen(path), 4095);
        assert_int_equal(place_path_append(path, &length, "x"), -ENAMETOOLONG);
}

static int note_arm(int fd, ArmKind kind, void *userdata) {
        *(ArmKind *) userdata = kind;
        return fd == 7 ? -ENOSPC : 3;
}

static void arm_decides_what_arming_returns(void **state) {
        ArmKind kind = _ARM_KIND_MAX;
        const Arm arm = {note_arm, &kind};
        assert_int_equal(place_arm(&arm, 7, ARM_NODE), -ENOSPC);
        assert_int_equal(kind, ARM_NODE);
        assert_int_equal(place_arm(&arm, 0, ARM_ANCESTOR), 3);
        assert_int_equal(kind, ARM_ANCESTOR);
        assert_int_equal(place_arm(&arm, 8, ARM_ABOVE), 3);
        assert_int_equal(kind, ARM_ABOVE);
        assert_int_equal(place_arm(NULL, 7, ARM_NODE), 0);
}

static void place_is_opened_whatever_it_is(void **state) {
        const Scratch *s = *state;
        static const char *const names[] = {"fifo", "link", "dir", "file"};
        scratch_write(s, "file", "");
        assert_int_equal(mkfifoat(s->fd, "fifo", 0644), 0);
        assert_int_equal(symlinkat("nowhere", s->fd, "link"), 0);
        assert_int_equal(mkdirat(s->fd, "dir", 0755), 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                struct statx stx, expected;
                int fd = -1;
                assert_int_equal(place_open(s->fd, names[i], 0, &fd), 0);
                assert_int_equal(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
                assert_int_equal(place_stat(fd, &stx), 0);
                assert_int_equal(statx(s->fd, names[i], AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &expected),
                                 0);
                assert_int_equal(stx.stx_ino, expected.stx_ino);
                close(fd);
                fd = -1;
                assert_int_equal(place_open(s->fd, names[i], O_DIRECTORY, &fd), i == 2 ? 0 : -ENOTDIR);
                if (i == 2)
                        close(fd);
        }
        int fd = -1;
        assert_int_equal(place_open(s->fd, "none", 0, &fd), -ENOENT);
        nth.stat.error = EIO;
        struct statx stx;
        assert_int_equal(place_stat(s->fd, &stx), -EIO);
}

static void name_has_255_bytes_at_most(void **state) {
        const Scratch *s = *state;
        char name[300];
        int fd = -1;
        memset(name, 'n', sizeof(name));
        name[255] = 0;
        scratch_write(s, name, "");
        assert_int_equal(place_open(s->fd, name, 0, &fd), 0);
        close(fd);
        name[255] = 'n';
        name[256] = 0;
        assert_int_equal(place_open(s->fd, name, 0, &fd), -ENAMETOOLONG);
        name[256] = 'n';
        name[299] = 0;
        assert_int_equal(place_open(s->fd, name, 0, &fd), -ENAMETOOLONG);
}

static void link_is_read_by_name_or_by_itself(void **state) {
        const Scratch *s = *state;
        char *target = NULL;
        int fd = -1;
        assert_int_equal(symlinkat("x/y", s->fd, "link"), 0);
        assert_int_equal(place_read_link(s->fd, "link", &target), 0);
        assert_string_equal(target, "x/y");
        free(target);
        target = NULL;
        assert_int_equal(place_open(s->fd, "link", 0, &fd), 0);
        assert_int_equal(place_read_link(fd, "", &target), 0);
        assert_string_equal(target, "x/y");
        free(target);
        close(fd);
        target = NULL;
        scratch_write(s, "file", "");
        assert_int_equal(place_read_link(s->fd, "file", &target), -EINVAL);
        assert_int_equal(place_read_link(s->fd, "none", &target), -ENOENT);
        assert_null(target);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(own_state_is_one_folder_and_what_is_below_it),
                cmocka_unit_test(places_are_told_apart_by_device_and_inode),
                cmocka_unit_test(path_has_room_for_4095_bytes),
                walk_test(arm_decides_what_arming_returns),
                walk_test(place_is_opened_whatever_it_is),
                walk_test(name_has_255_bytes_at_most),
                walk_test(link_is_read_by_name_or_by_itself),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
