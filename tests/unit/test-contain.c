/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/contain.h"

#include <sys/sysmacros.h>

#include "interpose.h"

/* What happens to system calls made from here. */
static struct {
        unsigned n_openat2, n_failures; /* this many calls of openat2 fail first, */
        int error;                      /* with this */
        unsigned flags_missing;         /* calls without the flags that all must have */
        bool other_is_faster;           /* somebody else makes each directory first */
        int fsync_error, statx_error, fstat_error, mkdirat_error;
        unsigned n_reads, n_interrupted; /* this many reads are interrupted first */
        int read_error, open_error;
        unsigned n_made, n_early; /* directories; how often their parent was synced before they were made */
        Synced synced;
} world;

long syscall(long number, ...) {
        long a[6];
        va_list ap;
        va_start(ap, number);
        for (size_t i = 0; i < ELEMENTSOF(a); i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (number == SYS_openat2) {
                const struct open_how *how = (const struct open_how *) a[2];
                const uint64_t always = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
                world.n_openat2++;
                world.flags_missing += (how->resolve & always) != always || !(how->flags & O_CLOEXEC);
                if (world.n_failures > 0) {
                        world.n_failures--;
                        errno = world.error;
                        return -1;
                }
        }
        return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int mkdirat(int dirfd, const char *name, mode_t mode) {
        if (world.mkdirat_error > 0) {
                errno = world.mkdirat_error;
                return -1;
        }
        int r = REAL(mkdirat)(dirfd, name, mode);
        world.n_made++;
        if (world.other_is_faster && r >= 0) {
                errno = EEXIST;
                return -1;
        }
        return r;
}

int fsync(int fd) {
        world.n_early += world.synced.n >= world.n_made;
        synced_note(&world.synced, fd);
        if (world.fsync_error > 0) {
                errno = world.fsync_error;
                return -1;
        }
        return REAL(fsync)(fd);
}

int statx(int dirfd, const char *name, int flags, unsigned mask, struct statx *ret) {
        if (world.statx_error > 0) {
                errno = world.statx_error;
                return -1;
        }
        return REAL(statx)(dirfd, name, flags, mask, ret);
}

/* As called where files may be large; never with a mode here. */
int open64(const char *path, int flags, ...) {
        if (world.open_error > 0) {
                errno = world.open_error;
                return -1;
        }
        return openat(AT_FDCWD, path, flags, 0);
}

/* What -D_FORTIFY_SOURCE makes of it. */
int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags) {
        return open64(path, flags);
}

int fstat(int fd, struct stat *ret) {
        if (world.fstat_error > 0) {
                errno = world.fstat_error;
                return -1;
        }
        return REAL(fstat)(fd, ret);
}

ssize_t read(int fd, void *buffer, size_t size) {
        world.n_reads++;
        if (world.n_interrupted > 0) {
                world.n_interrupted--;
                errno = EINTR;
                return -1;
        }
        if (world.read_error > 0) {
                errno = world.read_error;
                return -1;
        }
        return REAL(read)(fd, buffer, size);
}

static int world_setup(void **state) {
        memset(&world, 0, sizeof(world));
        return scratch_setup(state);
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, scratch_teardown)

static int open_and_close(int r, int *fd) {
        if (r >= 0)
                close(*fd);
        return r;
}

static int try_open(int root, const char *path, int flags) {
        int fd = -1;
        return open_and_close(contain_open(root, path, flags, 0, &fd), &fd);
}

static int try_open_nolinks(int root, const char *path, int flags) {
        int fd = -1;
        return open_and_close(contain_open_nolinks(root, path, flags, 0, &fd), &fd);
}

/* Reads the file at PATH below ROOT. */
static int read_path(int root, const char *path, size_t max, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = -EBADF;
        int r = contain_open(root, path, O_PATH, 0, &fd);
        return r < 0 ? r : contain_read(fd, max, ret, ret_size);
}

static void links_stay_inside(void **state) {
        const Scratch *s = *state;
        char *text = NULL;
        size_t size = 0;
        scratch_write(s, "etc/passwd", "mine");
        assert_int_equal(symlinkat("/etc/passwd", s->fd, "absolute"), 0);
        assert_int_equal(symlinkat("../../../../../etc/passwd", s->fd, "etc/relative"), 0);
        assert_int_equal(read_path(s->fd, "/absolute", 100, &text, &size), 0);
        assert_string_equal(text, "mine");
        free(text);
        assert_int_equal(read_path(s->fd, "/etc/relative", 100, &text, &size), 0);
        assert_string_equal(text, "mine");
        free(text);
        assert_int_equal(try_open(s->fd, "/../../etc/shadow", O_RDONLY), -ENOENT);
        assert_int_equal(try_open(s->fd, "etc/passwd", O_RDONLY), -EINVAL);
        assert_int_equal(try_open_nolinks(s->fd, "etc/passwd", O_RDONLY), -EINVAL);
        assert_int_equal(try_open_nolinks(s->fd, "", O_RDONLY), -EINVAL);
}

static void links_are_refused_where_none_is_allowed(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "real/file", "x");
        assert_int_equal(symlinkat("real", s->fd, "link"), 0);
        assert_int_equal(symlinkat("file", s->fd, "real/last"), 0);
        assert_int_equal(try_open_nolinks(s->fd, "/real/file", O_RDONLY), 0);
        assert_int_equal(try_open_nolinks(s->fd, "/link/file", O_RDONLY), -ELOOP);
        assert_int_equal(try_open_nolinks(s->fd, "/real/last", O_RDONLY), -ELOOP);
        assert_int_equal(try_open_nolinks(s->fd, "/real/last", O_PATH | O_NOFOLLOW), 0);
        assert_int_equal(try_open_nolinks(s->fd, "/../x", O_RDONLY), -EXDEV);
        assert_int_equal(try_open_nolinks(s->fd, "/", O_RDONLY | O_DIRECTORY), 0);
        assert_int_equal(try_open_nolinks(s->fd, "//real//file", O_RDONLY), 0);
}

static void magic_links_lead_nowhere(void **state) {
        const Scratch *s = *state;
        int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(proc >= 0);
        /* -EXDEV would mean that the kernel followed the link and then found that it leads out */
        assert_int_equal(try_open(proc, "/self/root/etc", O_RDONLY), -ELOOP);
        assert_int_equal(try_open(proc, "/self/exe", O_PATH), -ELOOP);
        assert_int_equal(try_open(proc, "/self/status", O_RDONLY), 0); /* `self` is a link like any other */
        close(proc);
        assert_int_equal(symlinkat("/proc/self/root/etc", s->fd, "magic"), 0);
        assert_int_equal(try_open(s->fd, "/magic", O_RDONLY), -ENOENT);
}

/* a bind mount of the same file system: only RESOLVE_NO_XDEV distinguishes it from a directory */
static void mounts_below_are_not_entered(void **state) {
        Scratch *s = *state;
        char source[128], target[128];
        int fd = -1;
        char *name = NULL;
        scratch_unshare(s);
        scratch_write(s, "foreign/file", "");
        scratch_write(s, "mnt/hidden", "");
        (void) snprintf(source, sizeof(source), "%s/foreign", s->path);
        (void) snprintf(target, sizeof(target), "%s/mnt", s->path);
        assert_int_equal(mount(source, target, NULL, MS_BIND, NULL), 0);
        int reads = try_open(s->fd, "/mnt/file", O_RDONLY);
        int reads_nolinks = try_open_nolinks(s->fd, "/mnt/file", O_RDONLY);
        int parent = contain_make_parent(s->fd, "/mnt/new/x", 0755, &fd, &name);
        int made = contain_make_directory(s->fd, "/mnt/new", 0755, &fd);
        assert_int_equal(umount2(target, MNT_DETACH), 0); /* before anything can fail */
        assert_int_equal(reads, -EXDEV);
        assert_int_equal(reads_nolinks, -EXDEV);
        assert_int_equal(parent, -EXDEV);
        assert_int_equal(made, -EXDEV);
        assert_int_equal(faccessat(s->fd, "foreign/new", F_OK, 0), -1);
}

static void root_must_be_the_mount_that_was_meant(void **state) {
        const Scratch *s = *state;
        struct statx stx;
        int fd = -1;
        assert_int_equal(statx(s->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx), 0);
        assert_int_equal(contain_open_root(s->path, stx.stx_mnt_id, &fd), 0);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        close(fd);
        fd = -1;
        world.statx_error = EIO;
        assert_int_equal(contain_open_root(s->path, stx.stx_mnt_id, &fd), -EIO);
        world.statx_error = 0;
        assert_int_equal(fd, -1);
        assert_int_equal(contain_open_root(s->path, 0, &fd), 0);
        close(fd);
        assert_int_equal(contain_open_root(s->path, stx.stx_mnt_id + 1000000, &fd), -ESTALE);
        assert_int_equal(contain_open_root("/nonexistent", 0, &fd), -ENOENT);
        assert_int_equal(contain_open_root("/proc/self/status", 0, &fd), -ENOTDIR);
}

static void only_regular_files_are_read(void **state) {
        const Scratch *s = *state;
        char *text = NULL;
        size_t size = 0;
        assert_int_equal(mkfifoat(s->fd, "fifo", 0644), 0);
        assert_int_equal(symlinkat("fifo", s->fd, "link"), 0);
        assert_int_equal(read_path(s->fd, "/fifo", 100, &text, &size), -EINVAL);
        assert_int_equal(read_path(s->fd, "/link", 100, &text, &size), -EINVAL);
        assert_int_equal(read_path(s->fd, "/", 100, &text, &size), -EINVAL);
        if (mknodat(s->fd, "zero", S_IFCHR | 0644, makedev(1, 5)) >= 0)
                assert_int_equal(read_path(s->fd, "/zero", 100, &text, &size), -EINVAL);
        assert_null(text);
}

static void size_is_bounded(void **state) {
        const Scratch *s = *state;
        char *text = NULL;
        size_t size = 0;
        scratch_write(s, "ten", "0123456789");
        scratch_write(s, "empty", "");
        assert_int_equal(read_path(s->fd, "/ten", 10, &text, &size), 0);
        assert_int_equal(size, 10);
        assert_string_equal(text, "0123456789");
        free(text);
        text = NULL;
        assert_int_equal(read_path(s->fd, "/ten", 9, &text, &size), -EFBIG);
        assert_null(text);
        assert_int_equal(read_path(s->fd, "/empty", 0, &text, &size), 0);
        assert_int_equal(size, 0);
        assert_string_equal(text, "");
        free(text);
}

/* /proc says 0 for the size of everything */
static void size_may_be_other_than_it_seems(void **state) {
        int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *text = NULL;
        size_t size = 0;
        assert_int_equal(read_path(proc, "/status", 65536, &text, &size), 0);
        assert_true(size > 100);
        assert_int_equal(strlen(text), size);
        free(text);
        assert_int_equal(read_path(proc, "/status", 100, &text, &size), -EFBIG);
        close(proc);
}

static void missing_directories_are_made(void **state) {
        const Scratch *s = *state;
        struct stat st;
        char *name = NULL;
        int fd = -1;
        assert_int_equal(contain_open_parent(s->fd, "/a/b/c", &fd, &name), -ENOENT);
        assert_null(name);
        assert_int_equal(fd, -1);
        assert_int_equal(contain_open_parent(s->fd, "/x", &fd, &name), 0);
        assert_string_equal(name, "x");
        free(name);
        close(fd);
        assert_int_equal(contain_make_parent(s->fd, "/a/b/c", 0755, &fd, &name), 0);
        assert_string_equal(name, "c");
        free(name);
        assert_int_equal(fsync(fd), 0);
        close(fd);
        assert_int_equal(fstatat(s->fd, "a/b", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(fstatat(s->fd, "a/b/c", &st, AT_SYMLINK_NOFOLLOW), -1);
        assert_int_equal(contain_make_parent(s->fd, "/top", 0755, &fd, &name), 0);
        assert_string_equal(name, "top");
        free(name);
        close(fd);
        assert_int_equal(contain_make_parent(s->fd, "/", 0755, &fd, &name), -EINVAL);
        assert_int_equal(contain_make_directory(s->fd, "/a/../x", 0755, &fd), -EINVAL);
}

static void directories_are_not_made_through_links(void **state) {
        const Scratch *s = *state;
        char *name = NULL;
        int fd = -1;
        scratch_write(s, "elsewhere/x", "");
        scratch_write(s, "file", "");
        assert_int_equal(symlinkat("elsewhere", s->fd, "boot"), 0);
        assert_int_equal(contain_make_parent(s->fd, "/boot/new/x", 0755, &fd, &name), -ELOOP);
        assert_int_equal(contain_open_parent(s->fd, "/boot/x", &fd, &name), -ELOOP);
        assert_int_equal(contain_open_parent(s->fd, "/file/x", &fd, &name), -ENOTDIR);
        assert_int_equal(contain_make_parent(s->fd, "/file/x", 0755, &fd, &name), -ENOTDIR);
        assert_int_equal(faccessat(s->fd, "elsewhere/new", F_OK, 0), -1);
}

static void opens_are_retried_when_the_kernel_asks_for_it(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "file", "x");
        static const int again[] = {EAGAIN, EINTR};
        for (size_t i = 0; i < ELEMENTSOF(again); i++) {
                world.error = again[i];
                world.n_failures = 63;
                world.n_openat2 = 0;
                assert_int_equal(try_open(s->fd, "/file", O_RDONLY), 0);
                assert_int_equal(world.n_openat2, 64);
                world.n_failures = 64;
                assert_int_equal(try_open_nolinks(s->fd, "/file", O_RDONLY), -EAGAIN);
                assert_int_equal(world.n_failures, 0);
        }
        world.n_failures = 1;
        world.error = EMFILE;
        assert_int_equal(try_open(s->fd, "/file", O_RDONLY), -EMFILE);
        world.n_failures = 2;
        world.error = ENOENT;
        world.n_openat2 = 0;
        assert_int_equal(try_open(s->fd, "/file", O_RDONLY), -ENOENT);
        assert_int_equal(world.n_openat2, 1);
}

static void every_open_is_contained(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *text = NULL, *name = NULL, *other = NULL;
        _cleanup_close_ int fd = -EBADF, made = -EBADF, dirfd = -EBADF;
        scratch_write(s, "a/file", "x");
        assert_int_equal(read_path(s->fd, "/a/file", 1, &text, NULL), 0);
        assert_int_equal(contain_open_parent(s->fd, "/a/file", &fd, &name), 0);
        assert_int_equal(contain_make_parent(s->fd, "/b/c/d", 0755, &made, &other), 0);
        assert_int_equal(contain_make_directory(s->fd, "/b/e", 0755, &dirfd), 0);
        assert_true(world.n_openat2 > 8);
        assert_int_equal(world.flags_missing, 0);
}

static void mode_applies_only_to_a_new_file(void **state) {
        const Scratch *s = *state;
        struct stat st;
        int fd = -1;
        mode_t mask = umask(0);
        assert_int_equal(contain_open(s->fd, "/new", O_WRONLY | O_CREAT | O_EXCL, 0640, &fd), 0);
        close(fd);
        assert_int_equal(contain_open_nolinks(s->fd, "/other", O_WRONLY | O_CREAT | O_EXCL, 0604, &fd), 0);
        close(fd);
        assert_int_equal(contain_make_directory(s->fd, "/dir", 0751, &fd), 0);
        close(fd);
        (void) umask(mask);
        assert_int_equal(fstatat(s->fd, "new", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0640);
        assert_int_equal(fstatat(s->fd, "other", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0604);
        assert_int_equal(fstatat(s->fd, "dir", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0751);
        assert_int_equal(contain_open(s->fd, "/new", O_RDONLY, 0640, &fd), 0); /* openat2 would refuse it */
        close(fd);
}

static void a_made_directory_is_durable_in_its_parent(void **state) {
        const Scratch *s = *state;
        int fd = -1;
        assert_int_equal(mkdirat(s->fd, "a", 0755), 0);
        assert_int_equal(contain_make_directory(s->fd, "/a/b/c", 0755, &fd), 0);
        close(fd);
        assert_int_equal(world.synced.n, 2);
        assert_true(synced_has(&world.synced, s, "a"));
        assert_true(synced_has(&world.synced, s, "a/b"));
        assert_int_equal(world.n_early, 0);
        assert_int_equal(contain_make_directory(s->fd, "/a/b/c", 0755, &fd), 0); /* nothing to create */
        close(fd);
        assert_int_equal(world.synced.n, 2);
        world.fsync_error = EIO;
        fd = -1;
        assert_int_equal(contain_make_directory(s->fd, "/a/d", 0755, &fd), -EIO);
        assert_int_equal(fd, -1);
}

static void a_directory_that_another_made_first_will_do(void **state) {
        const Scratch *s = *state;
        struct stat st, made;
        int fd = -1;
        world.other_is_faster = true;
        assert_int_equal(contain_make_directory(s->fd, "/a/b", 0755, &fd), 0);
        assert_int_equal(fstat(fd, &st), 0);
        close(fd);
        assert_int_equal(fstatat(s->fd, "a/b", &made, 0), 0);
        assert_int_equal(st.st_ino, made.st_ino);
        assert_int_equal(world.synced.n, 0); /* whoever created it syncs it */
}

static void what_cannot_be_made_is_an_error(void **state) {
        const Scratch *s = *state;
        int fd = -1;
        world.mkdirat_error = EROFS;
        assert_int_equal(contain_make_directory(s->fd, "/a", 0755, &fd), -EROFS);
        assert_int_equal(fd, -1);
}

static void reading_goes_on_after_an_interruption(void **state) {
        const Scratch *s = *state;
        char *text = NULL;
        scratch_write(s, "ten", "0123456789");
        world.n_interrupted = 3;
        assert_int_equal(read_path(s->fd, "/ten", 10, &text, NULL), 0);
        assert_string_equal(text, "0123456789");
        free(text);
        text = NULL;
        world.read_error = EIO;
        assert_int_equal(read_path(s->fd, "/ten", 10, &text, NULL), -EIO);
        world.read_error = 0;
        world.n_reads = 0;
        assert_int_equal(read_path(s->fd, "/ten", 9, &text, NULL), -EFBIG);
        assert_int_equal(world.n_reads, 0); /* according to its size */
        world.open_error = EMFILE;
        assert_int_equal(read_path(s->fd, "/ten", 10, &text, NULL), -EMFILE);
        world.open_error = 0;
        world.fstat_error = EIO;
        assert_int_equal(read_path(s->fd, "/ten", 10, &text, NULL), -EIO);
        assert_null(text);
}

static void a_descriptor_is_opened_anew(void **state) {
        const Scratch *s = *state;
        char buffer[8];
        int fd = -1, anew = -1;
        scratch_write(s, "file", "text");
        assert_int_equal(contain_open(s->fd, "/file", O_PATH, 0, &fd), 0);
        assert_int_equal(read(fd, buffer, sizeof(buffer)), -1);
        assert_int_equal(contain_reopen(fd, O_RDONLY, &anew), 0);
        assert_int_equal(read(anew, buffer, sizeof(buffer)), 4);
        assert_int_equal(fcntl(anew, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(fcntl(anew, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        close(anew);
        anew = -1;
        assert_int_equal(contain_reopen(fd, O_RDONLY | O_DIRECTORY, &anew), -ENOTDIR);
        assert_int_equal(anew, -1);
        close(fd);
}

static void last_part_of_a_path_is_a_name(void **state) {
        static const char *const bad[] = {"/", "/..", "/a/..", "/a/.", "/a/", "/a//b", "/a/../b", "a/b", ""};
        const Scratch *s = *state;
        char *name = NULL;
        int fd = -1;
        assert_int_equal(mkdirat(s->fd, "a", 0755), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(contain_open_parent(s->fd, bad[i], &fd, &name), -EINVAL);
                assert_int_equal(contain_make_parent(s->fd, bad[i], 0755, &fd, &name), -EINVAL);
        }
        assert_int_equal(fd, -1);
        assert_null(name);
}

static void paths_are_judged(void **state) {
        const char *good[] = {"/",     "/a",     "/a/b",  "/.a/..b/...", "/a b\n",
                              "/a/.b", "/a/..b", "/a/b.", "/a.b/c.."};
        const char *bad[] = {"",       "a",       "//",    "/a/",  "/a//b", "/.",  "/..",
                             "/a/./b", "/a/../b", "/a/..", "/a/.", "a/b",   "./a", "/./a"};
        char *longest = malloc(4097);
        assert_non_null(longest);
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(contain_path_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(contain_path_is_valid(bad[i]));
        memset(longest, 'a', 4096);
        longest[0] = '/';
        longest[4096] = 0;
        assert_false(contain_path_is_valid(longest));
        longest[4095] = 0;
        assert_true(contain_path_is_valid(longest));
        free(longest);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(what_cannot_be_made_is_an_error),
                world_test(reading_goes_on_after_an_interruption),
                world_test(opens_are_retried_when_the_kernel_asks_for_it),
                world_test(every_open_is_contained),
                world_test(mode_applies_only_to_a_new_file),
                world_test(a_made_directory_is_durable_in_its_parent),
                world_test(a_directory_that_another_made_first_will_do),
                world_test(a_descriptor_is_opened_anew),
                scratch_test(links_stay_inside),
                scratch_test(links_are_refused_where_none_is_allowed),
                scratch_test(magic_links_lead_nowhere),
                scratch_test(root_must_be_the_mount_that_was_meant),
                scratch_test(only_regular_files_are_read),
                scratch_test(size_is_bounded),
                scratch_test(size_may_be_other_than_it_seems),
                scratch_test(missing_directories_are_made),
                scratch_test(directories_are_not_made_through_links),
                scratch_test(last_part_of_a_path_is_a_name),
                scratch_test(paths_are_judged),
                scratch_test(mounts_below_are_not_entered),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
