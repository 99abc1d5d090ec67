/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/root.h"

#include <bootkeep.h>

#include "disk.h"
#include "interpose.h"

static int state_error; /* of every open of the state directory, if not 0 */
static int clone_error; /* of cloning a mount, likewise */
static int statx_error; /* of examining a mount point */

int statx(int dirfd, const char *name, int flags, unsigned mask, struct statx *ret) {
        if (statx_error > 0 && mask == STATX_MNT_ID) {
                errno = statx_error;
                return -1;
        }
        return REAL(statx)(dirfd, name, flags, mask, ret);
}

long syscall(long number, ...) {
        long a[6];
        va_list ap;
        va_start(ap, number);
        for (size_t i = 0; i < ELEMENTSOF(a); i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (clone_error > 0 && number == SYS_open_tree) {
                errno = clone_error;
                return -1;
        }
        if (state_error > 0 && number == SYS_openat2 &&
            streq((const char *) a[1], &BOOTKEEP_VOLUME_STATE[1])) {
                errno = state_error;
                return -1;
        }
        return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* A volume mounted at SCRATCH/mnt in a namespace of its own. */
typedef struct World {
        Disk disk;
        char mnt[128];
} World;

static void world_start(World *w, Scratch *s) {
        scratch_unshare(s);
        disk_attach(&w->disk, s, "20M", NULL, false);
        (void) snprintf(w->mnt, sizeof(w->mnt), "%s/mnt", s->path);
        shell("mkfs.ext4 -q %s && mkdir %s && mount %s %s", w->disk.node, w->mnt, w->disk.node, w->mnt);
}

static void world_end(World *w) {
        shell("umount -R %s", w->mnt);
        disk_detach(&w->disk);
}

static void volume_is_opened_by_its_mount_point(void **state) {
        World w;
        Root *root = NULL;
        char below[160];
        world_start(&w, *state);
        (void) snprintf(below, sizeof(below), "%s/lost+found", w.mnt);
        int r = root_open(w.mnt, 0, &root);
        int other = root_open(w.mnt, UINT32_MAX, &root), folder = root_open(below, 0, &root);
        bool named = r >= 0 && streq(root->name, w.disk.name), fresh = r >= 0 && root->state_fd == -ENOENT;
        Root *again = NULL;
        int r2 = r < 0 ? r : root_open(w.mnt, root->mount.id, &again);
        if (r >= 0)
                root_free(root);
        root_free(again);
        world_end(&w);
        assert_int_equal(r, 0);
        assert_int_equal(r2, 0);
        assert_true(named && fresh);
        assert_int_equal(other, -ESTALE);
        assert_int_equal(folder, -EINVAL);
        assert_int_equal(root_open("/proc", 0, &root), -ENOTBLK);
        assert_int_equal(root_open("/nonexistent", 0, &root), -ENOENT);
}

static void state_that_cannot_be_examined_is_an_error(void **state) {
        World w;
        Root *root = NULL;
        world_start(&w, *state);
        state_error = EIO;
        int r = root_open(w.mnt, 0, &root);
        state_error = 0;
        world_end(&w);
        assert_int_equal(r, -EIO);
        assert_null(root);
}

static void mount_point_that_cannot_be_examined_is_an_error(void **state) {
        World w;
        Root *root = NULL;
        world_start(&w, *state);
        statx_error = EIO;
        int r = root_open(w.mnt, 0, &root);
        statx_error = 0;
        world_end(&w);
        assert_int_equal(r, -EIO);
        assert_null(root);
}

static void state_below_a_mount_that_cannot_be_cloned_is_an_error(void **state) {
        World w;
        Root *root = NULL;
        world_start(&w, *state);
        shell("mkdir -p %s/var && mount -t tmpfs tmpfs %s/var", w.mnt, w.mnt);
        clone_error = EMFILE;
        int r = root_open(w.mnt, 0, &root);
        clone_error = 0;
        world_end(&w);
        assert_int_equal(r, -EMFILE);
        assert_null(root);
}

/* Mounted on itself, the folder of the stamps is where it was; any other is elsewhere. */
static void state_that_is_mounted_on_itself_is_not_covered(void **state) {
        World w;
        Root *root = NULL, *other = NULL;
        world_start(&w, *state);
        clone_error = EPERM;
        shell("mkdir -p %s" BOOTKEEP_VOLUME_STATE "/caches %s/other && cd %s" BOOTKEEP_VOLUME_STATE
              " && mount --bind . .",
              w.mnt, w.mnt, w.mnt);
        int r = root_open(w.mnt, 0, &root), found = r < 0 ? r : root->state_fd;
        int caches = found < 0 ? found : openat(found, "caches", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        shell("mount --bind %s/other %s" BOOTKEEP_VOLUME_STATE, w.mnt, w.mnt);
        int r2 = root_open(w.mnt, 0, &other), covered = r2 < 0 ? r2 : other->state_fd;
        clone_error = 0;
        closep(&caches);
        root_free(root);
        root_free(other);
        world_end(&w);
        assert_int_equal(r, 0);
        assert_true(found >= 0 && caches >= 0);
        assert_int_equal(r2, 0);
        assert_int_equal(covered, -EXDEV);
}

/* Who may not look below the mount says so, and takes what another has opened, if it is on the volume. */
static void state_below_a_mount_may_be_opened_by_another(void **state) {
        World w;
        Root *privileged = NULL, *root = NULL;
        world_start(&w, *state);
        shell("mkdir -p %s" BOOTKEEP_VOLUME_STATE " && touch %s/file && mount -t tmpfs tmpfs %s/var", w.mnt,
              w.mnt, w.mnt);
        int opened = root_open(w.mnt, 0, &privileged);
        clone_error = EPERM;
        int r = root_open(w.mnt, 0, &root), found = r < 0 ? r : root->state_fd;
        int made = r < 0 ? r : root_make_state(root);
        clone_error = 0;
        char path[160];
        (void) snprintf(path, sizeof(path), "%s/var", w.mnt);
        int elsewhere = r < 0 ? r : root_take_state(root, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        (void) snprintf(path, sizeof(path), "%s/file", w.mnt);
        int file = r < 0 ? r : root_take_state(root, open(path, O_RDONLY | O_CLOEXEC));
        int still = r < 0 ? r : root->state_fd;
        int taken =
                r < 0 || opened < 0 ? -ENOTRECOVERABLE : root_take_state(root, TAKE_FD(privileged->state_fd));
        int now = r < 0 ? r : root->state_fd;
        root_free(privileged);
        root_free(root);
        world_end(&w);
        assert_int_equal(r, 0);
        assert_int_equal(found, -EXDEV);
        assert_int_equal(made, -EXDEV);
        assert_int_equal(elsewhere, -EXDEV);
        assert_int_equal(file, -EXDEV);
        assert_int_equal(still, -EXDEV);
        assert_int_equal(taken, 0);
        assert_true(now >= 0);
}

/* A state that can be made only in part is none. */
static void state_without_room_for_all_stamps_is_not_taken(void **state) {
        World w;
        Root *root = NULL;
        world_start(&w, *state);
        int r = root_open(w.mnt, 0, &root);
        shell("mkdir -p %s" BOOTKEEP_VOLUME_STATE " && touch %s" BOOTKEEP_VOLUME_STATE "/helpers", w.mnt,
              w.mnt);
        int made = r < 0 ? r : root_make_state(root), fd = r < 0 ? r : root->state_fd;
        root_free(root);
        world_end(&w);
        assert_int_equal(r, 0);
        assert_int_equal(made, -ENOTDIR);
        assert_int_equal(fd, -ENOENT);
}

static void anybody_may_read_the_stamps(void **state) {
        static const char *const names[] = {"", "/caches", "/helpers"};
        struct stat st[ELEMENTSOF(names)] = {};
        World w;
        Root *root = NULL;
        world_start(&w, *state);
        mode_t mask = umask(0);
        int r = root_open(w.mnt, 0, &root), made = r < 0 ? r : root_make_state(root);
        (void) umask(mask);
        root_free(root);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char path[200];
                (void) snprintf(path, sizeof(path), "%s" BOOTKEEP_VOLUME_STATE "%s", w.mnt, names[i]);
                (void) stat(path, &st[i]);
        }
        world_end(&w);
        assert_int_equal(made, 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(st[i].st_mode, S_IFDIR | 0755);
}

static void state_is_made_and_found_again(void **state) {
        World w;
        Root *root = NULL;
        world_start(&w, *state);
        size_t open = count_descriptors();
        int r = root_open(w.mnt, 0, &root);
        if (r >= 0)
                r = root_make_state(root);
        if (r >= 0)
                r = root_make_state(root); /* it is there already */
        int made = r < 0 ? r
                         : faccessat(root->state_fd, "caches", F_OK, 0) +
                                   faccessat(root->state_fd, "helpers", F_OK, 0);
        if (root)
                root_free(root);
        root = NULL;
        int r2 = root_open(w.mnt, 0, &root);
        int found = r2 < 0 ? r2 : root->state_fd;
        root_free(root);
        size_t left = count_descriptors();
        world_end(&w);
        assert_int_equal(r, 0);
        assert_int_equal(made, 0);
        assert_true(found >= 0);
        assert_int_equal(left, open);
}

static void stamps_are_reached_below_a_separate_var(void **state) {
        World w;
        Root *root = NULL;
        world_start(&w, *state);
        shell("mkdir -p %s/var/lib/bootkeep/mark-of-the-volume && mount -t tmpfs tmpfs %s/var", w.mnt, w.mnt);
        int r = root_open(w.mnt, 0, &root);
        int mark = r < 0 ? r : faccessat(root->state_fd, "mark-of-the-volume", F_OK, 0);
        int made = r < 0 ? r : root_make_state(root);
        root_free(root);
        char path[160];
        (void) snprintf(path, sizeof(path), "%s/var/lib", w.mnt);
        int leaked = access(path, F_OK);
        world_end(&w);
        assert_int_equal(r, 0);
        assert_int_equal(mark, 0);
        assert_int_equal(made, 0);
        assert_int_equal(leaked, -1); /* nothing in the mount that covers it */
}

/* The values of state_fd and of root_make_state(), which must be the same; a failed root_open is
 * ENOTRECOVERABLE. */
static int state_of(const World *w) {
        Root *root = NULL;
        int r = root_open(w->mnt, 0, &root);
        int found = r < 0 ? -ENOTRECOVERABLE : root->state_fd;
        int made = r < 0 ? r : root_make_state(root);
        int after = r < 0 ? r : root->state_fd;
        root_free(root);
        return found == made && after == found ? found : -ENOTRECOVERABLE;
}

static void state_behind_a_link_or_file_is_refused(void **state) {
        World w;
        world_start(&w, *state);
        shell("mkdir -p %s/elsewhere/lib/bootkeep && ln -s elsewhere %s/var", w.mnt, w.mnt);
        int first = state_of(&w);
        shell("rm %s/var && mkdir -p %s/var/lib && ln -s /elsewhere %s/var/lib/bootkeep", w.mnt, w.mnt,
              w.mnt);
        int last = state_of(&w);
        shell("rm %s/var/lib/bootkeep && mkfifo %s/var/lib/bootkeep", w.mnt, w.mnt);
        int fifo = state_of(&w);
        shell("rm -r %s/var && touch %s/var", w.mnt, w.mnt);
        int file = state_of(&w);
        world_end(&w);
        assert_int_equal(first, -ELOOP);
        assert_int_equal(last, -ELOOP);
        assert_int_equal(fifo, -ENOTDIR);
        assert_int_equal(file, -ENOTDIR);
}

static void problems_are_told_in_words(void **state) {
        assert_string_equal(root_open_problem(-EINVAL), "is not a mount point");
        assert_string_equal(root_open_problem(-ENOTBLK), "is not on a block device");
        assert_string_equal(root_open_problem(-ESTALE), "is a different mount now");
        assert_null(root_open_problem(-ENOENT));
        assert_string_equal(root_state_problem(-ELOOP), "symbolic links in this path are not followed");
        assert_string_equal(root_state_problem(-ENOTDIR), "a component of this path is not a directory");
        assert_string_equal(
                root_state_problem(-EXDEV),
                "something is mounted over this path, and to look below it requires CAP_SYS_ADMIN");
        assert_null(root_state_problem(-ENOENT));
        assert_null(root_state_problem(3)); /* a descriptor */
        assert_null(root_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(state_that_cannot_be_examined_is_an_error),
                scratch_test(volume_is_opened_by_its_mount_point),
                cmocka_unit_test(problems_are_told_in_words),
                scratch_test(mount_point_that_cannot_be_examined_is_an_error),
                scratch_test(state_below_a_mount_that_cannot_be_cloned_is_an_error),
                scratch_test(state_that_is_mounted_on_itself_is_not_covered),
                scratch_test(state_below_a_mount_may_be_opened_by_another),
                scratch_test(state_without_room_for_all_stamps_is_not_taken),
                scratch_test(anybody_may_read_the_stamps),
                scratch_test(state_is_made_and_found_again),
                scratch_test(stamps_are_reached_below_a_separate_var),
                scratch_test(state_behind_a_link_or_file_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
