/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/packages.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "disk.h"
#include "fixture.h"

typedef int (*lock_t)(int fd);

static int lock_fcntl(int fd) {
        return fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK});
}

static int lock_ofd(int fd) {
        return fcntl(fd, F_OFD_SETLK, &(struct flock){.l_type = F_WRLCK});
}

static int lock_part(int fd) {
        return fcntl(fd, F_SETLK, &(struct flock){.l_type = F_RDLCK, .l_start = 100, .l_len = 1});
}

static int lock_flock(int fd) {
        return flock(fd, LOCK_EX | LOCK_NB);
}

static int lock_flock_shared(int fd) {
        return flock(fd, LOCK_SH | LOCK_NB);
}

static const lock_t locks[] = {lock_fcntl, lock_ofd, lock_part, lock_flock, lock_flock_shared};

/* The report of a scan that finds PATHS (those that exist). */
static void find_files(Report *report, char *const *paths) {
        struct stat st;
        for (; paths && *paths; paths++) {
                if (stat(*paths, &st) < 0)
                        continue;
                assert_int_equal(grow(report->holds, report->n_holds), 0);
                report->holds[report->n_holds++] =
                        (ReportHold){.path = strdup(*paths), .devno = st.st_dev, .inode = st.st_ino};
        }
}

/* The one of PATHS that is locked, or NULL. */
static const char *locked_of(char *const *paths) {
        _cleanup_(report_freep) Report *report = report_new();
        _cleanup_(locked_files_done) LockedFiles locked = {};
        find_files(report, paths);
        assert_int_equal(locked_files_read(&locked), 0);
        const ReportHold *hold = packages_find_hold(report, &locked);
        for (; hold && paths && *paths; paths++)
                if (streq(*paths, hold->path))
                        return *paths;
        assert_null(hold);
        return NULL;
}

static char *file_in(const Scratch *s, const char *name) {
        scratch_write(s, name, "");
        return outer_path(s, name);
}

/* Another process that holds a lock on FILE until holder_end(). */
static pid_t holder_begin(const char *file, lock_t lock) {
        int ready[2];
        char byte = 0;
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int fd = open(file, O_RDWR | O_CLOEXEC);
                if (fd < 0 || lock(fd) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        return pid;
}

static void holder_end(pid_t pid) {
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_file_that_nobody_locked_holds_nothing(void **state) {
        char *file = file_in(*state, "lock");
        int fd = open(file, O_RDWR | O_CLOEXEC); /* open is not locked */
        assert_true(fd >= 0);
        assert_null(locked_of((char *[]){file, NULL}));
        assert_null(locked_of((char *[]){NULL}));
        assert_null(locked_of(NULL));
        close(fd);
        free(file);
}

static void lock_of_every_kind_is_seen_until_its_holder_goes(void **state) {
        char *file = file_in(*state, "lock"), *other = file_in(*state, "other");
        for (size_t i = 0; i < ELEMENTSOF(locks); i++) {
                char *paths[] = {other, file, NULL};
                pid_t pid = holder_begin(file, locks[i]);
                assert_ptr_equal(locked_of(paths), file);
                assert_null(locked_of((char *[]){other, NULL}));
                holder_end(pid);
                assert_null(locked_of(paths));
        }
        free(file);
        free(other);
}

static void our_own_lock_counts_too_and_checking_does_not_release_it(void **state) {
        char *file = file_in(*state, "lock");
        int fd = open(file, O_RDWR | O_CLOEXEC);
        assert_int_equal(lock_fcntl(fd), 0);
        /* a POSIX lock is lost when its process closes any descriptor of the file: so none may be opened for
         * checking */
        for (int i = 0; i < 2; i++)
                assert_ptr_equal(locked_of((char *[]){file, NULL}), file);
        close(fd);
        assert_null(locked_of((char *[]){file, NULL}));
        free(file);
}

/* Does FILE hold anything if what these processes have locked does not count? */
static bool holds_without(char *file, const pid_t *pids, size_t n) {
        _cleanup_(report_freep) Report *report = report_new();
        _cleanup_(locked_files_done) LockedFiles locked = {};
        find_files(report, (char *[]){file, NULL});
        assert_int_equal(locked_files_read(&locked), 0);
        locked_files_forgive(&locked, pids, n);
        return packages_find_hold(report, &locked);
}

static void what_is_forgiven_holds_nothing_and_the_rest_does(void **state) {
        char *file = file_in(*state, "lock");
        pid_t one = holder_begin(file, lock_flock_shared), other = holder_begin(file, lock_flock_shared);
        assert_true(holds_without(file, NULL, 0));
        assert_true(holds_without(file, (pid_t[]){one, getpid()}, 2));
        assert_true(holds_without(file, (pid_t[]){other}, 1));
        assert_false(holds_without(file, (pid_t[]){1, other, one}, 3));
        holder_end(one);
        holder_end(other);
        free(file);
}

static void lock_files_that_exist_can_be_left_out(void **state) {
        _cleanup_(report_freep) Report *report = report_new();
        LockedFiles locked = {};
        assert_int_equal(report_parse_line(report, "HOLD /db.lck 8:1:5 exists"), 0);
        assert_non_null(packages_find_hold(report, &locked));
        locked.ignore_existing = true;
        assert_null(packages_find_hold(report, &locked));
}

static void a_lock_belongs_to_the_file_not_to_its_name(void **state) {
        const Scratch *s = *state;
        char *file = file_in(s, "lock"), *link = outer_path(s, "hard"), *soft = outer_path(s, "soft");
        assert_int_equal(linkat(s->fd, "lock", s->fd, "hard", 0), 0);
        assert_int_equal(symlinkat("lock", s->fd, "soft"), 0);
        pid_t pid = holder_begin(link, lock_flock);
        assert_ptr_equal(locked_of((char *[]){file, NULL}), file);
        assert_ptr_equal(locked_of((char *[]){soft, NULL}), soft);
        /* replaced by a new file of that name, which nobody locked */
        assert_int_equal(unlinkat(s->fd, "lock", 0), 0);
        scratch_write(s, "lock", "");
        assert_null(locked_of((char *[]){file, NULL}));
        holder_end(pid);
        free(file);
        free(link);
        free(soft);
}

static void missing_files_are_skipped(void **state) {
        const Scratch *s = *state;
        char *missing = outer_path(s, "none/lock"), *file = file_in(s, "lock");
        pid_t pid = holder_begin(file, lock_flock);
        assert_ptr_equal(locked_of((char *[]){missing, file, NULL}), file);
        holder_end(pid);
        assert_null(locked_of((char *[]){missing, file, NULL}));
        free(missing);
        free(file);
}

/* Waits until a line of /proc/locks contains ` -> `: that is what a waiter looks like. */
static void await_waiter(pid_t waiter) {
        char line[256], word[32];
        (void) snprintf(word, sizeof(word), " %i ", waiter);
        for (bool found = false; !found;) {
                FILE *f = fopen("/proc/locks", "re");
                assert_non_null(f);
                while (!found && fgets(line, sizeof(line), f))
                        found = strstr(line, " -> ") && strstr(line, word);
                (void) fclose(f);
                assert_int_equal(waitpid(waiter, NULL, WNOHANG), 0);
        }
}

static int lock_waiting(int fd) {
        return flock(fd, LOCK_EX);
}

/* A waiter has nothing yet; its line shows the file of the lock that it waits for. */
static void waiter_does_not_hold(void **state) {
        char *file = file_in(*state, "lock"), *other = file_in(*state, "other");
        int fd = open(file, O_RDWR | O_CLOEXEC);
        assert_int_equal(lock_flock(fd), 0);
        pid_t waiter = fork();
        assert_true(waiter >= 0);
        if (waiter == 0) {
                close(fd); /* the lock still belongs to the parent */
                int own = open(file, O_RDWR | O_CLOEXEC);
                _exit(own >= 0 && lock_waiting(own) >= 0 ? 0 : 1);
        }
        await_waiter(waiter);
        assert_ptr_equal(locked_of((char *[]){file, NULL}), file);
        assert_null(locked_of((char *[]){other, NULL}));
        close(fd); /* now the waiter gets it, and exits */
        int status;
        assert_int_equal(waitpid(waiter, &status, 0), waiter);
        assert_int_equal(status, 0);
        assert_null(locked_of((char *[]){file, NULL}));
        free(file);
        free(other);
}

/* On btrfs the inode alone decides, and some program may have locked a file with the same number elsewhere.
 */
static char *free_file_in_subvolume(const Scratch *s, const char *name) {
        for (int i = 0;; i++) {
                char numbered[32];
                (void) snprintf(numbered, sizeof(numbered), "m/sub/%s%i", name, i);
                char *file = file_in(s, numbered);
                if (!locked_of((char *[]){file, NULL}))
                        return file;
                free(file);
                assert_true(i < 1000);
        }
}

/* There stat(2) and /proc/locks show different anonymous device numbers. */
static void lock_in_a_subvolume_is_seen(void **state) {
        Scratch *s = *state;
        Disk d;
        if (geteuid() != 0 ||
            system("grep -qw btrfs /proc/filesystems && command -v mkfs.btrfs >/dev/null") != 0)
                skip();
        disk_attach(&d, s, "128M", NULL, false);
        scratch_unshare(s);
        shell("mkfs.btrfs -q -f %s >/dev/null && mkdir %s/m && mount %s %s/m && btrfs -q subvolume create "
              "%s/m/sub",
              d.node, s->path, d.node, s->path, s->path);
        char *file = free_file_in_subvolume(s, "lock"), *other = free_file_in_subvolume(s, "other");
        pid_t pid = holder_begin(file, lock_fcntl);
        assert_ptr_equal(locked_of((char *[]){other, file, NULL}), file);
        holder_end(pid);
        assert_null(locked_of((char *[]){other, file, NULL}));
        free(file);
        free(other);
        shell("umount %s/m", s->path);
        disk_detach(&d);
}

static void many_locks_do_not_hide_one(void **state) {
        const Scratch *s = *state;
        char *file = file_in(s, "lock"), *many = file_in(s, "many");
        int fd = open(many, O_RDWR | O_CLOEXEC);
        for (int i = 0; i < 2000; i++)
                assert_int_equal(fcntl(fd, F_OFD_SETLK,
                                       &(struct flock){.l_type = F_WRLCK, .l_start = i * 2, .l_len = 1}),
                                 0);
        pid_t pid = holder_begin(file, lock_flock);
        assert_ptr_equal(locked_of((char *[]){file, NULL}), file);
        holder_end(pid);
        close(fd);
        free(file);
        free(many);
}

static int parse_text(const char *text, LockedFiles *ret) {
        FILE *f = fmemopen((void *) (uintptr_t) text, strlen(text), "r");
        assert_non_null(f);
        int r = locked_files_parse(f, ret);
        (void) fclose(f);
        return r;
}

static const ReportHold *hold_of(ReportHold hold, const LockedFiles *locked) {
        static ReportHold one;
        one = hold;
        Report report = {.holds = &one, .n_holds = 1};
        return packages_find_hold(&report, locked);
}

static void device_and_inode_must_both_be_the_files(void **state) {
        _cleanup_(locked_files_done) LockedFiles locked = {};
        assert_int_equal(parse_text("1: POSIX  ADVISORY  WRITE 1234 fd:1f:5678 0 EOF\n"
                                    "2: FLOCK  ADVISORY  WRITE 1235 00:2a:99 0 EOF\n"
                                    "2: -> FLOCK  ADVISORY  WRITE 1236 08:01:77 0 EOF\n"
                                    "garbage\n"
                                    "3: OFDLCK ADVISORY  READ -1 08:02:18446744073709551615 0 EOF\n",
                                    &locked),
                         0);
        assert_non_null(hold_of((ReportHold){.devno = makedev(0xfd, 0x1f), .inode = 5678}, &locked));
        ReportHold held = {.devno = makedev(0xfd, 0x1f), .inode = 5678};
        const Report report = {.holds = &held, .n_holds = 1};
        assert_ptr_equal(packages_find_lock(&report, &locked), &held);
        assert_null(hold_of((ReportHold){.devno = makedev(0xfd, 0x1e), .inode = 5678}, &locked));
        assert_null(hold_of((ReportHold){.devno = makedev(0xfc, 0x1f), .inode = 5678}, &locked));
        assert_null(hold_of((ReportHold){.devno = makedev(0xfd, 0x1f), .inode = 5679}, &locked));
        assert_null(hold_of((ReportHold){.devno = makedev(0, 0x1f), .inode = 5678}, &locked));
        /* an anonymous device may show another number */
        assert_non_null(hold_of((ReportHold){.devno = makedev(0, 0x2b), .inode = 99}, &locked));
        assert_null(hold_of((ReportHold){.devno = makedev(8, 0x2a), .inode = 99}, &locked));
        assert_null(hold_of((ReportHold){.devno = makedev(8, 1), .inode = 77}, &locked)); /* waits */
        assert_null(hold_of((ReportHold){.devno = 0, .inode = 0}, &locked));
        assert_int_equal(locked.n, 3);
        assert_non_null(hold_of((ReportHold){.devno = makedev(8, 2), .inode = UINT64_MAX}, &locked));
}

static void table_that_cannot_be_read_is_an_error(void **state) {
        const Scratch *s = *state;
        LockedFiles untouched = {.n = 4711};
        FILE *f = fopen(s->path, "re"); /* a directory: it can be opened */
        assert_non_null(f);
        assert_int_equal(locked_files_parse(f, &untouched), -EIO);
        assert_int_equal(untouched.n, 4711);
        (void) fclose(f);
}

static void file_that_exists_holds_without_a_lock(void **state) {
        const LockedFiles none = {};
        ReportHold holds[] = {{.path = (char *) "/a", .inode = 1},
                              {.path = (char *) "/b", .inode = 2, .exists = true},
                              {.path = (char *) "/c", .inode = 3, .exists = true}};
        Report report = {.holds = holds, .n_holds = ELEMENTSOF(holds)};
        assert_ptr_equal(packages_find_hold(&report, &none), &holds[1]);
        report.n_holds = 1;
        assert_null(packages_find_hold(&report, &none));
        assert_null(packages_find_hold(NULL, &none));
        report.n_holds = ELEMENTSOF(holds);
        assert_null(packages_find_lock(&report, &none));
        assert_null(packages_find_lock(NULL, &none));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(device_and_inode_must_both_be_the_files),
                scratch_test(table_that_cannot_be_read_is_an_error),
                cmocka_unit_test(file_that_exists_holds_without_a_lock),
                scratch_test(a_file_that_nobody_locked_holds_nothing),
                scratch_test(lock_of_every_kind_is_seen_until_its_holder_goes),
                scratch_test(our_own_lock_counts_too_and_checking_does_not_release_it),
                scratch_test(what_is_forgiven_holds_nothing_and_the_rest_does),
                cmocka_unit_test(lock_files_that_exist_can_be_left_out),
                scratch_test(a_lock_belongs_to_the_file_not_to_its_name),
                scratch_test(missing_files_are_skipped),
                scratch_test(waiter_does_not_hold),
                scratch_test(lock_in_a_subvolume_is_seen),
                scratch_test(many_locks_do_not_hide_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
