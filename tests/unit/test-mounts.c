/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each test runs twice, once with each source of the mount table: the results are the same. */
/* tests: daemon/world/mountinfo.c daemon/world/mountevents.c */

#include "daemon/world/mounts.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "disk.h"

typedef struct World {
        Scratch *scratch;
        Disk disk;
        const MountSource *source;
        Mounts *table;
        int home;   /* the namespace of the machine */
        int root;   /* and "/" in it, which in a chroot is not that of the namespace */
        char *said; /* "added a", a line for each change; places are below the scratch folder */
} World;

static void on_change(MountChange change, const MountEntry *e, void *userdata) {
        static const char *const words[] = {
                [MOUNT_ADDED] = "added", [MOUNT_CHANGED] = "changed", [MOUNT_REMOVED] = "removed"};
        World *w = userdata;
        const char *place = startswith(e->target, w->scratch->path);
        char *all = NULL;
        assert_non_null(e->device);
        if (!place) /* of the machine */
                return;
        assert_int_equal(
                strprintf(&all, "%s%s %s%s\n", w->said, words[change], place + 1, e->read_only ? " ro" : ""),
                0);
        free(w->said);
        w->said = all;
}

static bool is_readable(const World *w) {
        struct pollfd p = {.fd = mounts_get_fd(w->table), .events = POLLIN};
        assert_true(poll(&p, 1, 0) >= 0);
        return p.revents & POLLIN;
}

/* Reads once more; the changes reported must be EXPECTED. */
static void says(World *w, const char *expected) {
        free(w->said);
        w->said = strdup("");
        assert_non_null(w->said);
        assert_int_equal(mounts_dispatch(w->table, on_change, w), 0);
        assert_string_equal(w->said, expected);
}

/* ... and there was something to read. */
static void comes(World *w, const char *expected) {
        assert_true(is_readable(w));
        says(w, expected);
}

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        w->source = *state;
        w->home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        assert_true(w->home >= 0);
        w->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(w->root >= 0);
        assert_int_equal(scratch_setup((void **) &w->scratch), 0);
        *state = w;
        return 0;
}

/* Leaves the namespace, and with it everything mounted there. */
static int teardown(void **state) {
        World *w = *state;
        Scratch *s = w->scratch;
        mounts_free(w->table);
        close(s->fd);
        assert_int_equal(setns(w->home, CLONE_NEWNS), 0);
        assert_int_equal(fchdir(w->root), 0);
        assert_int_equal(chroot("."), 0);
        close(w->home);
        close(w->root);
        s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(s->fd >= 0);
        disk_detach(&w->disk);
        int r = scratch_teardown((void **) &w->scratch);
        free(w->said);
        free(w);
        return r;
}

/* From here on changes are recorded. */
static void follow(World *w) {
        int r = mounts_new(w->source, NULL, &w->table);
        if (r == -EINVAL || r == -EPERM || r == -ENOSYS)
                skip();
        assert_int_equal(r, 0);
        says(w, "");
}

static void make_fs(const World *w, const char *type) {
        shell("mkfs.%s -q %s >/dev/null 2>&1 && cd %s && mkdir a b c", type, w->disk.node, w->scratch->path);
}

/* A namespace with a disk of SIZE with a file system of TYPE, and folders to mount it on. */
static void begin_with(World *w, const char *size, const char *type) {
        scratch_unshare(w->scratch);
        disk_attach(&w->disk, w->scratch, size, NULL, false);
        make_fs(w, type);
}

static void begin(World *w) {
        begin_with(w, "20M", "ext4");
        follow(w);
}

static void do_mount(const World *w, const char *options, const char *place) {
        shell("mount %s %s %s/%s", options, w->disk.node, w->scratch->path, place);
}

static void in_folder(const World *w, const char *command) {
        shell("cd %s && %s", w->scratch->path, command);
}

static void what_is_mounted_at_first_is_told(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        mounts_free(w->table);
        w->table = NULL;
        assert_int_equal(mounts_new(w->source, NULL, &w->table), 0);
        says(w, "added a\n");
        says(w, "");
}

static void mounts_come_and_go(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        comes(w, "added a\n");
        assert_false(is_readable(w));
        in_folder(w, "umount a");
        comes(w, "removed a\n");
        assert_false(is_readable(w));
}

static void what_came_and_went_between_two_looks_is_not_told(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        in_folder(w, "umount a");
        comes(w, "");
}

static void remounts_are_told(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        comes(w, "added a\n");
        in_folder(w, "mount -o remount,ro a");
        comes(w, "changed a ro\n");
        in_folder(w, "mount -o remount,rw a");
        comes(w, "changed a\n");
        in_folder(w, "mount -o remount,bind,ro a"); /* only the mount */
        comes(w, "changed a ro\n");
        in_folder(w, "mount -o remount,bind,rw,noatime a"); /* an option that does not matter to us */
        comes(w, "changed a\n");
        in_folder(w, "mount -o remount,bind,nodev a");
        comes(w, "");
}

static void a_remount_of_the_superblock_changes_each_mount_of_it(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        do_mount(w, "", "b");
        comes(w, "added a\nadded b\n");
        in_folder(w, "mount -o remount,ro a");
        comes(w, "changed a ro\nchanged b ro\n");
}

static void a_moved_mount_changes_with_all_that_is_below_it(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        in_folder(w, "mkdir a/below && mount --bind a a/below");
        comes(w, "added a\nadded a/below\n");
        in_folder(w, "mount --move a b");
        comes(w, "changed b\nchanged b/below\n");
        in_folder(w, "umount b/below && umount b");
        comes(w, "removed b\nremoved b/below\n");
}

static void a_moved_mount_that_holds_no_volume_takes_along_those_that_do(void **state) {
        World *w = *state;
        begin(w);
        in_folder(w, "mount -t tmpfs none a && mkdir a/in");
        do_mount(w, "", "a/in");
        comes(w, "added a/in\n");
        in_folder(w, "mount --move a b");
        comes(w, "changed b/in\n");
        in_folder(w, "mount -t tmpfs none b");
        comes(w, "removed b/in\n");
}

static void covered_mounts_are_gone_until_they_are_uncovered(void **state) {
        World *w = *state;
        begin(w);
        in_folder(w, "mkdir a/deep");
        do_mount(w, "", "a/deep");
        comes(w, "added a/deep\n");
        in_folder(w, "mount -t tmpfs none a");
        comes(w, "removed a/deep\n");
        in_folder(w, "umount a");
        comes(w, "added a/deep\n");
        in_folder(w, "mount -t tmpfs none a/deep");
        comes(w, "removed a/deep\n");
        in_folder(w, "umount a/deep");
        comes(w, "added a/deep\n");
}

static void of_stacked_mounts_the_uppermost_counts(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        in_folder(w, "mount --bind a b && mount -o remount,bind,ro b");
        comes(w, "added a\nadded b ro\n");
        in_folder(w, "mount --bind b a");
        comes(w, "removed a\nadded a ro\n");
        in_folder(w, "umount a");
        comes(w, "removed a ro\nadded a\n");
}

static void a_bound_part_and_a_bound_whole_are_told(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        in_folder(w, "mkdir a/part && mount --bind a b && mount --bind a/part c");
        comes(w, "added a\nadded b\nadded c\n");
        in_folder(w, "umount a");
        comes(w, "removed a\n");
}

static void a_lazy_umount_of_a_tree_takes_all_of_it(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        in_folder(w, "mkdir a/below && mount --bind a a/below");
        comes(w, "added a\nadded a/below\n");
        _cleanup_close_ int busy = openat(w->scratch->fd, "a/below", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(busy >= 0);
        in_folder(w, "umount -l a");
        comes(w, "removed a\nremoved a/below\n");
}

static void odd_places_are_told_as_they_are(void **state) {
        World *w = *state;
        begin(w);
        in_folder(w, "mkdir 'a b' \"$(printf 'new\\nline')\" 'tab\tback\\slash' '\303\244\377'");
        shell("cd %s && for place in 'a b' \"$(printf 'new\\nline')\" 'tab\tback\\slash' '\303\244\377'; do "
              "mount %s \"$place\"; done",
              w->scratch->path, w->disk.node);
        comes(w, "added a b\nadded new\nline\nadded tab\tback\\slash\nadded \303\244\377\n");
}

static void a_renamed_folder_above_is_seen_with_the_next_change(void **state) {
        World *w = *state;
        begin(w);
        in_folder(w, "mkdir a/in");
        do_mount(w, "", "a/in");
        comes(w, "added a/in\n");
        in_folder(w, "mv a renamed && mount -t tmpfs none b");
        comes(w, "changed renamed/in\n");
        in_folder(w, "mkdir -p a/in && mount -t tmpfs none a");
        comes(w, "");
        in_folder(w, "mount -t tmpfs none renamed");
        comes(w, "removed renamed/in\n");
}

static void a_mount_that_took_the_place_of_another_is_another(void **state) {
        World *w = *state;
        scratch_unshare(w->scratch);
        disk_attach_own(&w->disk, w->scratch, "20M");
        make_fs(w, "ext4");
        follow(w);
        do_mount(w, "", "a");
        comes(w, "added a\n");
        in_folder(w, "umount a");
        char other[128];
        in_folder(w, "cp disk other");
        (void) snprintf(other, sizeof(other), "%s/other", w->scratch->path);
        disk_change_medium(&w->disk, other);
        do_mount(w, "", "a");
        comes(w, "removed a\nadded a\n");
}

static void a_volume_does_not_hide_behind_the_id_of_another(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        comes(w, "added a\n");
        in_folder(w, "umount a && mount -t tmpfs none a"); /* most likely with the same ID */
        comes(w, "removed a\n");
}

static void subvolumes_are_told_by_their_disk(void **state) {
        World *w = *state;
        begin_with(w, "200M", "btrfs");
        do_mount(w, "", "a");
        in_folder(w, "btrfs -q subvolume create a/@ >/dev/null && umount a");
        follow(w);
        do_mount(w, "-o subvol=@", "a");
        do_mount(w, "", "b");
        comes(w, "added a\nadded b\n");
        in_folder(w, "mount -o remount,bind,ro b");
        comes(w, "changed b ro\n");
}

static void what_is_mounted_elsewhere_is_not_ours(void **state) {
        World *w = *state;
        begin(w);
        shell("unshare --mount --propagation private sh -c 'mount %s %s/a && umount %s/a'", w->disk.node,
              w->scratch->path, w->scratch->path);
        assert_false(is_readable(w));
        says(w, "");
}

static void a_pushed_aside_mount_is_still_followed(void **state) {
        World *w = *state;
        begin(w);
        /* a is shared with b, so what is mounted on b/x also appears on a/x, below what is there already */
        in_folder(w,
                  "mount -t tmpfs none a && mount --make-private a && mkdir a/x && mount --make-shared a && "
                  "mount --bind a b && mount --make-slave a");
        do_mount(w, "", "a/x");
        comes(w, "added a/x\n");
        in_folder(w, "mount -t tmpfs none b/x"); /* tucked under the one on a/x */
        comes(w, "");
        in_folder(w, "umount b/x");
        comes(w, "");
        in_folder(w, "umount a/x");
        comes(w, "removed a/x\n");
}

static void a_mount_moved_over_a_volume_covers_it(void **state) {
        World *w = *state;
        begin(w);
        in_folder(w, "mkdir a/in && mount -t tmpfs none b");
        do_mount(w, "", "a/in");
        comes(w, "added a/in\n");
        in_folder(w, "mount --move b a");
        comes(w, "removed a/in\n");
        in_folder(w, "mount --move a b");
        comes(w, "added a/in\n");
}

/* A volume on a/x/deep, covered by a tmpfs on a/x, and another one mounted on b/x, of which a is a slave:
 * that appeared on a/x below the first. */
static void begin_pushed_aside(World *w) {
        begin(w);
        in_folder(
                w,
                "mount -t tmpfs none b && mkdir -p b/x/deep && mount --make-shared b && mount --bind b a && "
                "mount --make-slave a");
        do_mount(w, "", "a/x/deep");
        comes(w, "added a/x/deep\n");
        in_folder(w, "mount -t tmpfs none a/x");
        comes(w, "removed a/x/deep\n");
        in_folder(w, "mount -t tmpfs none b/x");
        comes(w, "");
}

static void what_was_pushed_aside_covers_when_it_is_back(void **state) {
        World *w = *state;
        begin_pushed_aside(w);
        in_folder(w, "umount b/x");
        comes(w, "");
        in_folder(w, "umount a/x");
        comes(w, "added a/x/deep\n");
}

static void what_was_pushed_under_another_covers_when_that_is_gone(void **state) {
        World *w = *state;
        begin_pushed_aside(w);
        in_folder(w, "umount a/x");
        comes(w, "");
        in_folder(w, "umount b/x");
        comes(w, "added a/x/deep\n");
}

static void more_changes_than_the_queue_holds_are_not_lost(void **state) {
        World *w = *state;
        begin(w);
        do_mount(w, "", "a");
        comes(w, "added a\n");
        char place[128];
        (void) snprintf(place, sizeof(place), "%s/b", w->scratch->path);
        for (unsigned i = 0; i < 9000; i++) { /* two events each */
                assert_int_equal(mount("none", place, "tmpfs", 0, NULL), 0);
                assert_int_equal(umount2(place, 0), 0);
        }
        do_mount(w, "", "c");
        comes(w, "added c\n");
        in_folder(w, "umount a && umount c");
        comes(w, "removed a\nremoved c\n");
}

/* A process that stays in the namespace that we leave. */
static pid_t stay_behind(void) {
        pid_t pid = fork();
        if (pid == 0) {
                assert_int_equal(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
                for (;;)
                        pause();
        }
        assert_true(pid > 0);
        assert_int_equal(unshare(CLONE_NEWNS), 0);
        return pid;
}

static void there(const World *w, pid_t pid, const char *command) {
        shell("nsenter --mount --target=%i sh -c 'cd %s && %s'", pid, w->scratch->path, command);
}

static void mounts_of_another_namespace_are_followed(void **state) {
        World *w = *state;
        char table[64], mount_a[96];
        begin_with(w, "20M", "ext4");
        pid_t pid = stay_behind();
        (void) snprintf(table, sizeof(table), "/proc/%i/mountinfo", pid);
        (void) snprintf(mount_a, sizeof(mount_a), "mount %s a", w->disk.node);
        assert_int_equal(mounts_new(NULL, table, &w->table), 0);
        says(w, "");
        there(w, pid, mount_a);
        comes(w, "added a\n");
        assert_false(is_readable(w));
        do_mount(w, "", "b");
        assert_false(is_readable(w));
        there(w, pid, "mount -o remount,bind,ro a");
        comes(w, "changed a ro\n");
        there(w, pid, "umount a");
        comes(w, "removed a ro\n");
        shell("kill %i", pid);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Each with either source. */
#define both(f)                                                                                              \
        {"mountinfo: " #f, f, setup, teardown, (void *) &mount_info}, {                                      \
                "fanotify: " #f, f, setup, teardown, (void *) &mount_events                                  \
        }

int main(void) {
        const struct CMUnitTest tests[] = {
                {"mountinfo: mounts_of_another_namespace_are_followed",
                 mounts_of_another_namespace_are_followed, setup, teardown, (void *) &mount_info},
                both(what_is_mounted_at_first_is_told),
                both(mounts_come_and_go),
                both(what_came_and_went_between_two_looks_is_not_told),
                both(remounts_are_told),
                both(a_remount_of_the_superblock_changes_each_mount_of_it),
                both(a_moved_mount_changes_with_all_that_is_below_it),
                both(a_moved_mount_that_holds_no_volume_takes_along_those_that_do),
                both(covered_mounts_are_gone_until_they_are_uncovered),
                both(of_stacked_mounts_the_uppermost_counts),
                both(a_bound_part_and_a_bound_whole_are_told),
                both(a_lazy_umount_of_a_tree_takes_all_of_it),
                both(odd_places_are_told_as_they_are),
                both(a_renamed_folder_above_is_seen_with_the_next_change),
                both(a_mount_that_took_the_place_of_another_is_another),
                both(a_volume_does_not_hide_behind_the_id_of_another),
                both(subvolumes_are_told_by_their_disk),
                both(what_is_mounted_elsewhere_is_not_ours),
                both(a_pushed_aside_mount_is_still_followed),
                both(a_mount_moved_over_a_volume_covers_it),
                both(what_was_pushed_aside_covers_when_it_is_back),
                both(what_was_pushed_under_another_covers_when_that_is_gone),
                both(more_changes_than_the_queue_holds_are_not_lost),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
