/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/lockfiles.h"

#include <sys/inotify.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/report.h"
#include "scan/watcher.h"
#include "scratch.h"

/* The volume is the folder SCRATCH/v, the host's files are below SCRATCH/host. */
typedef struct World {
        const Scratch *s;
        Root root;
        int inotify;
        Watcher watcher;
        LockFiles files;
        char host[96];
} World;

static World *world_new(const Scratch *s) {
        World *w = calloc(1, sizeof(World));
        w->s = s;
        scratch_write(s, "v/keep", "");
        scratch_write(s, "host/keep", "");
        w->root = (Root){.fd = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                         .mount.target = (char *) "/mnt"};
        assert_true(w->root.fd >= 0);
        w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        watcher_init(&w->watcher, w->inotify);
        (void) snprintf(w->host, sizeof(w->host), "%s/host", s->path);
        return w;
}

static void world_free(World *w) {
        lock_files_done(&w->files);
        watcher_done(&w->watcher);
        close(w->root.fd);
        close(w->inotify);
        free(w);
}

static void world_add(World *w, const char *path, bool exists) {
        char *copy = strdup(path), *paths[] = {copy, NULL};
        assert_int_equal(lock_files_add(&w->files, paths, exists), 0);
        free(copy);
        w->files.items[w->files.n - 1].path = path;
}

static char *world_report(World *w) {
        char *text = NULL;
        size_t size = 0;
        const Arm arm = {watcher_arm, &w->watcher};
        FILE *f = open_memstream(&text, &size);
        assert_int_equal(lock_files_report(&w->files, &w->root, &arm, f), 0);
        assert_int_equal(fclose(f), 0);
        return text;
}

/* The expected record for FILE (a path outside), reported as PATH. */
static char *hold_record(const char *file, const char *path, const char *kind) {
        struct stat st;
        char *text = NULL;
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(strprintf(&text, "HOLD %s %02x:%02x:%llu %s\n", path, major(st.st_dev),
                                   minor(st.st_dev), (unsigned long long) st.st_ino, kind),
                         0);
        return text;
}

static void world_reports(World *w, const char *expected) {
        char *text = world_report(w);
        assert_string_equal(text, expected);
        free(text);
}

static bool anything_queued(const World *w) {
        char buffer[65536] __attribute__((__aligned__(8)));
        bool any = false;
        while (read(w->inotify, buffer, sizeof(buffer)) > 0)
                any = true;
        return any;
}

static void what_is_not_there_is_not_told(void **state) {
        World *w = world_new(*state);
        world_reports(w, "");
        world_add(w, "/no/such/lock", false);
        world_add(w, "/no/such/db.lck", true);
        world_reports(w, "");
        world_free(w);
}

static void files_of_the_host_and_of_the_volume_are_told(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128], inside[256], *host, *own, both[512];
        (void) snprintf(path, sizeof(path), "%s/lock", w->host);
        (void) snprintf(inside, sizeof(inside), "v%s", path);
        scratch_write(s, "host/lock", "");
        world_add(w, path, false);
        host = hold_record(path, path, "locked");
        world_reports(w, host);
        scratch_write(s, inside, ""); /* the same path, as seen from the volume's root */
        (void) snprintf(inside, sizeof(inside), "%s/v%s", s->path, path);
        own = hold_record(inside, path, "locked");
        (void) snprintf(both, sizeof(both), "%s%s", host, own);
        world_reports(w, both);
        w->root.mount.target = (char *) "/"; /* the running system itself: its files are those of the host */
        world_reports(w, host);
        free(host);
        free(own);
        world_free(w);
}

static void one_file_is_told_once(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128], other[128], *record, both[512];
        (void) snprintf(path, sizeof(path), "%s/lock", w->host);
        (void) snprintf(other, sizeof(other), "%s/link", w->host);
        scratch_write(s, "host/lock", "");
        assert_int_equal(symlinkat("lock", s->fd, "host/link"), 0);
        world_add(w, path, false);
        world_add(w, other, false);
        record = hold_record(path, path, "locked");
        world_reports(w, record);
        world_add(w, path, true); /* another kind */
        char *as_other = hold_record(path, path, "exists");
        (void) snprintf(both, sizeof(both), "%s%s", record, as_other);
        world_reports(w, both);
        free(record);
        free(as_other);
        world_free(w);
}

static void nothing_leads_out_of_the_volume(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        scratch_write(s, "outside", "");
        assert_int_equal(symlinkat("../outside", s->fd, "v/relative"), 0);
        assert_int_equal(symlinkat(s->path, s->fd, "v/absolute"), 0);
        assert_int_equal(symlinkat("loop", s->fd, "v/loop"), 0);
        world_add(w, "/relative", false);
        world_add(w, "/absolute/outside", false);
        world_add(w, "/loop", false);
        world_add(w, "/keep/x", false);
        world_reports(w, "");
        world_free(w);
}

static void what_is_mounted_on_the_volume_is_not_it(void **state) {
        Scratch *s = *state;
        scratch_unshare(s);
        World *w = world_new(s);
        assert_int_equal(mkdirat(s->fd, "v/var", 0755), 0);
        shell("mount -t tmpfs none %s/v/var && touch %s/v/var/bootkeep-test.lock", s->path, s->path);
        world_add(w, "/var/bootkeep-test.lock", false);
        world_reports(w, "");
        assert_false(w->watcher.covered); /* there is nothing to watch there */
        world_free(w);
        shell("umount %s/v/var", s->path);
}

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

static void coming_and_going_is_an_event_use_is_not(void **state) {
        static const struct {
                const char *command;
                bool seen;
        } all[] = {
                {"mkdir -p host/a && touch host/a/lock", true},
                {"echo x >host/a/lock", false}, /* opened, written and closed */
                {"flock host/a/lock true", false},
                {"exec 3>host/a/lock; rm host/a/lock", true}, /* open all the while */
                {"touch host/a/lock", true},
                {"touch host/a/other && rm host/a/other", false},
                {"touch host/a/other && mv host/a/other host/a/lock", true},
                {"mv host/a/lock host/a/other", true},
                {"mv host/a host/b", true},
        };
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128];
        (void) snprintf(path, sizeof(path), "%s/a/lock", w->host);
        world_add(w, path, false);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                /* another scan, another instance */
                close(w->inotify);
                watcher_done(&w->watcher);
                w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
                watcher_init(&w->watcher, w->inotify);
                lock_files_done(&w->files);
                world_add(w, path, false);
                free(world_report(w));
                assert_false(anything_queued(w));
                shell("cd %s && { %s; }", s->path, all[i].command);
                if (anything_queued(w) != all[i].seen)
                        fail_msg("%s: %s", all[i].command, all[i].seen ? "not seen" : "seen");
        }
        world_free(w);
}

/* Sets the times of PATH to this many seconds after boot. */
static void date_from_boot(const char *path, int64_t seconds) {
        struct timespec now, up;
        assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
        assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &up), 0);
        const struct timespec when = {.tv_sec = now.tv_sec - up.tv_sec + seconds};
        assert_int_equal(utimensat(AT_FDCWD, path, (const struct timespec[]){when, when}, 0), 0);
}

static void what_was_made_since_the_boot_holds(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128];
        (void) snprintf(path, sizeof(path), "%s/db.lck", w->host);
        scratch_write(s, "host/db.lck", "");
        world_add(w, path, true);
        char *record = hold_record(path, path, "exists");
        world_reports(w, record);
        date_from_boot(path, 5);
        world_reports(w, record);
        date_from_boot(path, -1000000); /* backdated, but created since */
        struct statx stx;
        assert_int_equal(statx(AT_FDCWD, path, 0, STATX_BTIME, &stx), 0);
        if (stx.stx_mask & STATX_BTIME)
                world_reports(w, record);
        free(record);
        world_free(w);
}

/* On a file system that does not record when a file was created, so only the last write counts. */
static void what_is_older_than_the_boot_is_said_and_does_not_hold(void **state) {
        Scratch *s = *state;
        scratch_unshare(s);
        World *w = world_new(s);
        char path[128], expected[512];
        shell("cd %s && truncate -s 1M img && mke2fs -q -I 128 img && mkdir host/m && mount -o loop img "
              "host/m",
              s->path);
        (void) snprintf(path, sizeof(path), "%s/m/db.lck", w->host);
        scratch_write(s, "host/m/db.lck", "");
        world_add(w, path, true);
        char *record = hold_record(path, path, "exists");
        date_from_boot(path, 2); /* the clocks are read one after the other */
        world_reports(w, record);
        free(record);
        date_from_boot(path, -2);
        (void) snprintf(
                expected, sizeof(expected),
                "NOTE %s is older than the boot: its owner is no longer running, so it holds nothing back\n",
                path);
        world_reports(w, expected);
        world_free(w);
        w = world_new(s);
        world_add(w, path, false); /* the owner of a lock on it is running, however old the file is */
        record = hold_record(path, path, "locked");
        world_reports(w, record);
        free(record);
        world_free(w);
        shell("umount %s/host/m", s->path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(what_is_not_there_is_not_told),
                scratch_test(files_of_the_host_and_of_the_volume_are_told),
                scratch_test(one_file_is_told_once),
                scratch_test(nothing_leads_out_of_the_volume),
                scratch_test(what_is_mounted_on_the_volume_is_not_it),
                scratch_test(paths_of_the_host_cross_mounts),
                scratch_test(coming_and_going_is_an_event_use_is_not),
                scratch_test(what_was_made_since_the_boot_holds),
                scratch_test(what_is_older_than_the_boot_is_said_and_does_not_hold),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
