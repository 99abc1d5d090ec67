/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which lock files are reported, and what is an event. Where their paths lead: test-lockfiles-host.c. */

#include "lockfilesworld.h"

#include <time.h>

/* What the clocks say, and what the file system records. */
static struct {
        bool fixed;
        int failing; /* a clock; -1: none */
        int64_t booted;
        bool without_creation;
        int error; /* of looking at a lock file */
} machine;

#define MACHINE_NULL ((__typeof__(machine)){.failing = -1})
#define UPTIME 1000

int clock_gettime(clockid_t clock, struct timespec *ret) {
        if (clock == machine.failing) {
                errno = EINVAL;
                return -1;
        }
        if (!machine.fixed)
                return REAL(clock_gettime)(clock, ret);
        *ret = (struct timespec){.tv_sec = clock == CLOCK_BOOTTIME ? UPTIME : machine.booted + UPTIME};
        return 0;
}

/* Fills in what was asked for, and nothing else. */
int statx(int dirfd, const char *name, int flags, unsigned mask, struct statx *ret) {
        if (mask & STATX_BTIME && machine.error > 0) {
                errno = machine.error;
                return -1;
        }
        int r = REAL(statx)(dirfd, name, flags, mask, ret);
        if (!(mask & STATX_MTIME))
                ret->stx_mtime = (struct statx_timestamp){};
        if (!(mask & STATX_BTIME) || machine.without_creation)
                ret->stx_mask &= ~STATX_BTIME; /* the field may hold anything then */
        return r;
}

static int lock_files_setup(void **state) {
        machine = MACHINE_NULL;
        return scratch_setup(state);
}

#define lock_files_test(f) cmocka_unit_test_setup_teardown(f, lock_files_setup, scratch_teardown)

static void missing_files_are_not_reported(void **state) {
        World *w = world_new(*state);
        world_reports(w, "");
        world_add(w, "/no/such/lock", false);
        world_add(w, "/no/such/db.lck", true);
        world_reports(w, "");
        world_free(w);
}

static void files_of_the_host_and_of_the_volume_are_reported(void **state) {
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

static void each_file_is_reported_once(void **state) {
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
        free(record);
        scratch_write(s, "host/second", "");
        assert_int_equal(symlinkat("second", s->fd, "host/again"), 0);
        char second[128], again[128];
        (void) snprintf(second, sizeof(second), "%s/second", w->host);
        (void) snprintf(again, sizeof(again), "%s/again", w->host);
        world_add(w, second, false);
        world_add(w, again, false);
        char *first = hold_record(path, path, "locked"), *next = hold_record(second, second, "locked");
        assert_int_equal(strprintf(&record, "%s%s", first, next), 0);
        free(first);
        free(next);
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

static void mounts_on_the_volume_are_not_part_of_it(void **state) {
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

static void creation_and_removal_are_events_use_is_not(void **state) {
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
                {"mv host aside && mv aside host", true},
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

/* Sets the mtime of PATH. */
static void date_file(const char *path, int64_t seconds) {
        const struct timespec when = {.tv_sec = seconds};
        assert_int_equal(utimensat(AT_FDCWD, path, (const struct timespec[]){when, when}, 0), 0);
}

/* When PATH was created; 0 if the file system does not record it. */
static int64_t created(const char *path) {
        struct statx stx;
        assert_int_equal(statx(AT_FDCWD, path, 0, STATX_BTIME, &stx), 0);
        return stx.stx_mask & STATX_BTIME ? stx.stx_btime.tv_sec : 0;
}

static void reports_at_boot(World *w, int64_t booted, const char *expected) {
        machine.booted = booted;
        machine.fixed = true;
        world_reports(w, expected);
        machine.fixed = false;
}

static void a_file_older_than_the_boot_is_reported_and_does_not_hold(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128], note[512];
        (void) snprintf(path, sizeof(path), "%s/db.lck", w->host);
        (void) snprintf(
                note, sizeof(note),
                "NOTE %s is older than the boot: its owner is no longer running, so it holds nothing back\n",
                path);
        scratch_write(s, "host/db.lck", "");
        world_add(w, path, true);
        char *record = hold_record(path, path, "exists");
        world_reports(w, record); /* by the clocks of this machine */
        int64_t birth = created(path), written = birth + 10000;
        date_file(path, written);
        reports_at_boot(w, written - 1, record);
        reports_at_boot(w, written, record);
        reports_at_boot(w, written + 1, note);
        date_file(path, 1000); /* backdated, but created since */
        reports_at_boot(w, birth, birth > 0 ? record : note);
        reports_at_boot(w, birth + 1001, note);
        machine.without_creation = true;
        reports_at_boot(w, 1000, record);
        reports_at_boot(w, 1001, note);
        free(record);
        world_free(w);
}

static void boot_matters_only_to_files_whose_existence_is_the_lock(void **state) {
        World *w = world_new(*state);
        char path[128];
        world_add_on_host(w, "lock", false, path);
        char *record = hold_record(path, path, "locked");
        reports_at_boot(w, INT32_MAX, record);
        free(record);
        world_free(w);
}

static void without_a_clock_nothing_is_older_than_the_boot(void **state) {
        World *w = world_new(*state);
        char path[128];
        world_add_on_host(w, "db.lck", true, path);
        date_file(path, -10); /* and were it older than the epoch */
        machine.without_creation = true;
        char *record = hold_record(path, path, "exists");
        machine.failing = CLOCK_REALTIME;
        reports_at_boot(w, INT32_MAX, record);
        machine.failing = CLOCK_BOOTTIME;
        reports_at_boot(w, INT32_MAX, record);
        free(record);
        world_free(w);
}

static void files_of_two_file_systems_are_two(void **state) {
        Scratch *s = *state;
        struct stat a, b;
        char one[128], other[128], both[512];
        scratch_unshare(s);
        World *w = world_new(s);
        shell("cd %s && mkdir one other && mount -t tmpfs none one && mount -t tmpfs none other && "
              "touch one/lock other/lock",
              w->host);
        (void) snprintf(one, sizeof(one), "%s/one/lock", w->host);
        (void) snprintf(other, sizeof(other), "%s/other/lock", w->host);
        assert_int_equal(stat(one, &a), 0);
        assert_int_equal(stat(other, &b), 0);
        assert_int_equal(a.st_ino, b.st_ino); /* told apart by the device alone */
        world_add(w, one, false);
        world_add(w, other, false);
        char *first = hold_record(one, one, "locked"), *second = hold_record(other, other, "locked");
        (void) snprintf(both, sizeof(both), "%s%s", first, second);
        world_reports(w, both);
        free(first);
        free(second);
        world_free(w);
        shell("umount %s/host/one %s/host/other", s->path, s->path);
}

static void as_many_are_reported_as_a_report_takes(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        static char paths[REPORT_HOLDS_MAX + 2][128];
        size_t n = 0;
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                char name[32];
                (void) snprintf(name, sizeof(name), "host/%zu", i);
                scratch_write(s, name, "");
                (void) snprintf(paths[i], sizeof(paths[i]), "%s/%zu", w->host, i);
                world_add(w, paths[i], false);
        }
        char *text = world_report(w);
        for (const char *p = text; (p = strchr(p, '\n')); p++)
                n++;
        assert_int_equal(n, REPORT_HOLDS_MAX);
        free(text);
        world_free(w);
}

static void record_that_cannot_be_written_is_an_error(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128], other[128];
        (void) snprintf(path, sizeof(path), "%s/lock", w->host);
        (void) snprintf(other, sizeof(other), "%s/none", w->host);
        scratch_write(s, "host/lock", "");
        for (int exists = 0; exists < 2; exists++) {
                FILE *f = fopen("/dev/full", "we");
                lock_files_done(&w->files);
                world_add(w, path, exists);
                world_add(w, other, exists);
                machine.booted = INT32_MAX; /* with EXISTS it is a note */
                machine.fixed = true;
                assert_int_equal(lock_files_report(&w->files, &w->root, NULL, f), -ENOSPC);
                machine.fixed = false;
                (void) fclose(f);
        }
        world_free(w);
}

static void lock_file_that_cannot_be_examined_is_an_error(void **state) {
        World *w = world_new(*state);
        char path[128];
        world_add_on_host(w, "lock", false, path);
        machine.error = EIO;
        assert_int_equal(lock_files_report(&w->files, &w->root, NULL, stdout), -EIO);
        world_free(w);
}

/* Fails after this many calls. */
typedef struct FailingArm {
        size_t left;
        int r;
} FailingArm;

static int fail_arm_later(int fd, ArmKind kind, void *userdata) {
        FailingArm *f = userdata;
        return f->left-- == 0 ? f->r : 0;
}

/* Reports with an Arm that fails after N places; *FAILED says whether it came to that. */
static int report_failing(World *w, size_t n, int error, bool *failed) {
        FailingArm failing = {n, error};
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        int r = lock_files_report(&w->files, &w->root, &(Arm){fail_arm_later, &failing}, f);
        assert_int_equal(fclose(f), 0);
        free(text);
        *failed = failing.left == SIZE_MAX || failing.left > n;
        return r;
}

static void shortage_ends_the_report_wherever_it_comes(void **state) {
        static const int shortages[] = {-ENOMEM, -ENOSPC, -E2BIG, -EMFILE, -ENFILE};
        World *w = world_new(*state);
        char path[128];
        world_add_on_host(w, "lock", false, path);
        world_add(w, "/missing/lock", false);
        for (size_t i = 0; i < ELEMENTSOF(shortages); i++) {
                bool failed = true;
                size_t n = 0;
                while (failed) {
                        int r = report_failing(w, n++, shortages[i], &failed);
                        assert_int_equal(r, failed ? shortages[i] : 0);
                }
                assert_in_range(n, 6, 100);
        }
        world_free(w);
}

static void error_of_one_path_leaves_the_others(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char path[128], other[128], *text = NULL;
        size_t size = 0;
        (void) snprintf(path, sizeof(path), "%s/lock", w->host);
        (void) snprintf(other, sizeof(other), "%s/other", w->host);
        scratch_write(s, "host/lock", "");
        scratch_write(s, "host/other", "");
        world_add(w, path, false);
        world_add(w, other, false);
        FailingArm failing = {0, -EIO};
        FILE *f = open_memstream(&text, &size);
        assert_int_equal(lock_files_report(&w->files, &w->root, &(Arm){fail_arm_later, &failing}, f), 0);
        assert_int_equal(fclose(f), 0);
        char *record = hold_record(other, other, "locked");
        assert_string_equal(text, record);
        free(record);
        free(text);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                lock_files_test(missing_files_are_not_reported),
                lock_files_test(files_of_the_host_and_of_the_volume_are_reported),
                lock_files_test(each_file_is_reported_once),
                lock_files_test(nothing_leads_out_of_the_volume),
                lock_files_test(mounts_on_the_volume_are_not_part_of_it),
                lock_files_test(creation_and_removal_are_events_use_is_not),
                lock_files_test(a_file_older_than_the_boot_is_reported_and_does_not_hold),
                lock_files_test(boot_matters_only_to_files_whose_existence_is_the_lock),
                lock_files_test(without_a_clock_nothing_is_older_than_the_boot),
                lock_files_test(files_of_two_file_systems_are_two),
                lock_files_test(as_many_are_reported_as_a_report_takes),
                lock_files_test(record_that_cannot_be_written_is_an_error),
                lock_files_test(lock_file_that_cannot_be_examined_is_an_error),
                lock_files_test(shortage_ends_the_report_wherever_it_comes),
                lock_files_test(error_of_one_path_leaves_the_others),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
