/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the paths of lock files lead on the host: across mounts, within a chroot, and while both change. */

#include "lockfilesworld.h"

/* What becomes of the calls that follow a path. */
static struct {
        int above_error; /* of every open of ".." */
        int link_error;  /* of reading where a descriptor leads */
        int place_error; /* of examining a place, after this many of them */
        unsigned places;
        /* what somebody else does before it is read for the second time where a descriptor leads */
        void (*before_link)(const World *);
        const World *world;
        unsigned links, link_failing; /* how often that was read; which of them fails */
} on_the_way;

/* No program that this one starts gets a descriptor. */
long syscall(long number, ...) {
        long a[6];
        va_list ap;
        va_start(ap, number);
        for (size_t i = 0; i < ELEMENTSOF(a); i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (number == SYS_openat2)
                assert_true(((const struct open_how *) a[2])->flags & O_CLOEXEC);
        return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int openat(int dirfd, const char *path, int flags, ...) {
        va_list ap;
        va_start(ap, flags);
        mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
        va_end(ap);
        if (streq(path, "..")) {
                assert_true(flags & O_CLOEXEC);
                assert_true(flags & O_PATH); /* nothing on the way is read */
                if (on_the_way.above_error > 0) {
                        errno = on_the_way.above_error;
                        return -1;
                }
        }
        return REAL(openat)(dirfd, path, flags, mode);
}

ssize_t readlink(const char *path, char *buffer, size_t size) {
        on_the_way.links++;
        if (on_the_way.link_error > 0 && on_the_way.links == on_the_way.link_failing) {
                errno = on_the_way.link_error;
                return -1;
        }
        if (on_the_way.links == 2 && on_the_way.before_link)
                on_the_way.before_link(on_the_way.world);
        return REAL(readlink)(path, buffer, size);
}

int statx(int dirfd, const char *name, int flags, unsigned mask, struct statx *ret) {
        if (on_the_way.place_error > 0 && on_the_way.places-- == 0) {
                errno = on_the_way.place_error;
                return -1;
        }
        return REAL(statx)(dirfd, name, flags, mask, ret);
}

static int host_setup(void **state) {
        memset(&on_the_way, 0, sizeof(on_the_way));
        return scratch_setup(state);
}

#define host_test(f) cmocka_unit_test_setup_teardown(f, host_setup, scratch_teardown)

static void paths_of_the_host_cross_mounts(void **state) {
        Scratch *s = *state;
        scratch_unshare(s);
        World *w = world_new(s);
        assert_int_equal(mkdirat(s->fd, "host/var", 0755), 0);
        shell("mount -t tmpfs none %s/var && mkdir %s/var/lib", w->host, w->host);
        char path[128], again[128];
        (void) snprintf(path, sizeof(path), "%s/var/lib/lock", w->host);
        (void) snprintf(again, sizeof(again), "%s/var/direct", w->host);
        world_add(w, path, false);
        world_add(w, again, false);
        world_reports(w, "");
        assert_false(anything_queued(w));
        shell("touch %s", path);
        assert_true(anything_queued(w));
        char *record = hold_record(path, path, "locked");
        world_reports(w, record);
        free(record);
        shell("rm %s", path);
        assert_true(anything_queued(w));
        shell("touch %s", again);
        assert_true(anything_queued(w));
        shell("umount --lazy %s/var", w->host);
        world_free(w);
}

static void all_paths_of_a_list_are_looked_for(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char one[128], other[128], both[512], *paths[] = {one, other, NULL};
        size_t before = count_descriptors();
        (void) snprintf(one, sizeof(one), "%s/one", w->host);
        (void) snprintf(other, sizeof(other), "%s/other", w->host);
        scratch_write(s, "host/one", "");
        scratch_write(s, "host/other", "");
        assert_int_equal(lock_files_add(&w->files, NULL, false), 0);
        assert_int_equal(w->files.n, 0);
        assert_int_equal(lock_files_add(&w->files, paths, false), 0);
        assert_int_equal(count_descriptors(), before + 2);
        char *first = hold_record(one, one, "locked"), *second = hold_record(other, other, "locked");
        (void) snprintf(both, sizeof(both), "%s%s", first, second);
        world_reports(w, both);
        free(first);
        free(second);
        lock_files_done(&w->files);
        assert_int_equal(count_descriptors(), before);
        world_free(w);
}

static void file_in_the_way_may_become_a_folder(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128];
        (void) snprintf(path, sizeof(path), "%s/file/lock", w->host);
        scratch_write(s, "host/file", "");
        world_add(w, path, false);
        world_reports(w, "");
        shell("cd %s && rm file && mkdir file && touch file/lock", w->host);
        assert_true(anything_queued(w));
        char *record = hold_record(path, path, "locked");
        world_reports(w, record);
        free(record);
        world_free(w);
}

static void links_of_proc_lead_nowhere(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128];
        int fd = openat(s->fd, "host", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%i/lock", fd);
        scratch_write(s, "host/lock", "");
        world_add(w, path, false);
        world_reports(w, "");
        close(fd);
        world_free(w);
}

/* What is reported of the two lock files before and after they are made, and whether that was an event. */
typedef struct InChroot {
        char *before, *after;
        bool seen;
} InChroot;

/* The chroot is a folder, not the root of a mount. */
static void watch_in_chroot(World *w, InChroot *ret) {
        _cleanup_close_ int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(unshare(CLONE_FS), 0);
        assert_int_equal(chroot(w->host), 0);
        assert_int_equal(chdir("/"), 0);
        int r = world_try_add(w, "/lock", false), k = world_try_add(w, "/no/such/lock", false);
        ret->before = world_report(w);
        bool early = anything_queued(w);
        int made = mkdir("/no", 0755);
        bool folder = anything_queued(w);
        made |= mkdir("/no/such", 0755) | mknod("/no/such/lock", S_IFREG, 0) | mknod("/lock", S_IFREG, 0);
        ret->seen = !early && folder && anything_queued(w);
        ret->after = world_report(w);
        assert_int_equal(fchdir(old), 0);
        assert_int_equal(chroot("."), 0);
        assert_int_equal(r, 0);
        assert_int_equal(k, 0);
        assert_int_equal(made, 0);
}

static void chroot_has_the_host_s_files_in_it(void **state) {
        Scratch *s = *state;
        char one[128], other[128], both[512];
        InChroot found = {};
        scratch_unshare(s);
        World *w = world_new(s);
        shell("mkdir %s/proc && mount -t proc none %s/proc", w->host, w->host);
        watch_in_chroot(w, &found);
        shell("umount --lazy %s/proc", w->host);
        (void) snprintf(one, sizeof(one), "%s/lock", w->host);
        (void) snprintf(other, sizeof(other), "%s/no/such/lock", w->host);
        char *first = hold_record(one, "/lock", "locked"),
             *second = hold_record(other, "/no/such/lock", "locked");
        (void) snprintf(both, sizeof(both), "%s%s", first, second);
        assert_string_equal(found.before, "");
        assert_string_equal(found.after, both);
        assert_true(found.seen);
        free(first);
        free(second);
        free(found.before);
        free(found.after);
        world_free(w);
}

/* Adds PATH while only N more descriptors can be opened. */
static int add_with_descriptors(World *w, const char *path, size_t n) {
        struct rlimit old;
        _cleanup_close_ int lowest = fcntl(w->inotify, F_DUPFD_CLOEXEC, 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        close(lowest);
        rlim_t limit = (rlim_t) TAKE_FD(lowest) + n;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit, old.rlim_max}), 0);
        int r = world_try_add(w, path, false);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        return r;
}

static void running_out_of_descriptors_is_an_error_wherever_it_comes(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128];
        size_t before = count_descriptors();
        (void) snprintf(path, sizeof(path), "%s/none/lock", w->host);
        for (size_t n = 0; n < 3; n++) { /* where it leads, the start of the way up, a step of it */
                assert_int_equal(add_with_descriptors(w, path, n), -EMFILE);
                assert_int_equal(w->files.n, 0);
                assert_int_equal(count_descriptors(), before);
        }
        assert_int_equal(add_with_descriptors(w, path, 3), 0);
        assert_int_equal(w->files.n, 1);
        world_free(w);
}

/* It leads to nothing that could be opened, which is not an error. */
static void leads_nowhere(World *w) {
        char path[128];
        size_t before = count_descriptors();
        (void) snprintf(path, sizeof(path), "%s/m/a/lock", w->host);
        on_the_way.links = 0;
        world_add(w, path, false);
        assert_int_equal(count_descriptors(), before);
        world_reports(w, "");
}

static void way_up_that_ends_in_an_error_leads_nowhere(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128];
        (void) snprintf(path, sizeof(path), "%s/m/a/lock", w->host);
        scratch_write(s, "host/m/a/lock", "");
        on_the_way.above_error = EACCES;
        leads_nowhere(w);
        on_the_way.above_error = ENOMEM;
        assert_int_equal(world_try_add(w, path, false), -ENOMEM);
        on_the_way.above_error = 0;
        on_the_way.link_error = EACCES;
        for (unsigned n = 1; n <= 2; n++) { /* the root of the mount, the directory */
                on_the_way.link_failing = n;
                leads_nowhere(w);
        }
        on_the_way.link_error = 0;
        for (unsigned n = 0; n < 2; n++) { /* where it is, and the one above */
                on_the_way.place_error = EACCES;
                on_the_way.places = n;
                leads_nowhere(w);
                on_the_way.place_error = ENOMEM;
                on_the_way.places = n;
                assert_int_equal(world_try_add(w, path, false), -ENOMEM);
        }
        world_free(w);
}

static void move_mount_aside(const World *w) {
        char from[128], to[128];
        (void) snprintf(from, sizeof(from), "%s/m", w->host);
        (void) snprintf(to, sizeof(to), "%s/aside", w->host);
        assert_int_equal(mount(from, to, NULL, MS_MOVE, NULL), 0);
}

/* To a place whose path begins with that of the place where it was. */
static void move_mount_beside(const World *w) {
        char from[128], to[128];
        (void) snprintf(from, sizeof(from), "%s/m", w->host);
        (void) snprintf(to, sizeof(to), "%s/m2", w->host);
        assert_int_equal(mount(from, to, NULL, MS_MOVE, NULL), 0);
}

static void mount_that_moves_meanwhile_is_not_mistaken(void **state) {
        static const struct {
                void (*move)(const World *);
                const char *to;
        } moves[] = {{move_mount_aside, "aside"}, {move_mount_beside, "m2"}};
        Scratch *s = *state;
        scratch_unshare(s);
        World *w = world_new(s);
        shell("cd %s && mkdir m aside m2 && mount -t tmpfs none m && mkdir m/a 2 && touch m/a/lock", w->host);
        for (size_t i = 0; i < ELEMENTSOF(moves); i++) {
                on_the_way.world = w;
                on_the_way.before_link = moves[i].move;
                leads_nowhere(w);
                on_the_way.before_link = NULL;
                shell("cd %s && mount --move %s m", w->host, moves[i].to);
        }
        lock_files_done(&w->files);
        shell("umount %s/m", w->host);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                host_test(paths_of_the_host_cross_mounts),
                host_test(all_paths_of_a_list_are_looked_for),
                host_test(file_in_the_way_may_become_a_folder),
                host_test(links_of_proc_lead_nowhere),
                host_test(chroot_has_the_host_s_files_in_it),
                host_test(running_out_of_descriptors_is_an_error_wherever_it_comes),
                host_test(way_up_that_ends_in_an_error_leads_nowhere),
                host_test(mount_that_moves_meanwhile_is_not_mistaken),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
