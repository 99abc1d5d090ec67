/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A folder for each test, and shell commands for what would take many lines in C. */

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/util.h"

/* after the headers that it needs */
#include <cmocka.h>

typedef struct Scratch {
        char path[64];
        int fd;
} Scratch;

static inline int scratch_setup(void **state) {
        Scratch *s = calloc(1, sizeof(Scratch));
        assert_non_null(s);
        strcpy(s->path, "/tmp/bootkeep-test-XXXXXX");
        assert_non_null(mkdtemp(s->path));
        s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(s->fd >= 0);
        *state = s;
        return 0;
}

/* Runs a command in sh; it must succeed. */
_printf_(1, 2) static inline void shell(const char *format, ...) {
        char *command = NULL;
        va_list ap;
        va_start(ap, format);
        assert_true(vasprintf(&command, format, ap) >= 0);
        va_end(ap);
        int status = system(command);
        if (status != 0)
                print_error("# %s: status %i\n", command, status);
        free(command);
        assert_int_equal(status, 0);
}

/* Empties the directory FD and closes it. A mount is never entered, not even one of the same file system:
 * nftw(3) with FTW_MOUNT and rm --one-file-system compare device numbers and would delete the content of a
 * bind mount. False if something is left. */
static inline bool scratch_empty(int fd) {
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
        };
        bool empty = true;
        DIR *d = fdopendir(fd);
        assert_non_null(d);
        for (struct dirent *e; (e = readdir(d));) {
                if (streq(e->d_name, ".") || streq(e->d_name, "..") || unlinkat(fd, e->d_name, 0) >= 0)
                        continue;
                long below = syscall(SYS_openat2, fd, e->d_name, &how, sizeof(how));
                if (below < 0 || !scratch_empty((int) below) || unlinkat(fd, e->d_name, AT_REMOVEDIR) < 0)
                        empty = false;
        }
        closedir(d);
        return empty;
}

static inline int scratch_teardown(void **state) {
        Scratch *s = *state;
        struct statx root, now;
        struct rlimit files;
        /* the deepest tree needs a descriptor per level */
        if (getrlimit(RLIMIT_NOFILE, &files) >= 0)
                (void) setrlimit(RLIMIT_NOFILE, &(struct rlimit){files.rlim_max, files.rlim_max});
        assert_int_equal(statx(s->fd, "", AT_EMPTY_PATH, STATX_INO, &root), 0);
        assert_int_equal(statx(AT_FDCWD, s->path, AT_SYMLINK_NOFOLLOW, STATX_INO, &now), 0);
        assert_non_null(startswith(s->path, "/tmp/bootkeep-test-"));
        assert_true(root.stx_ino == now.stx_ino && root.stx_dev_minor == now.stx_dev_minor &&
                    !(now.stx_attributes & STATX_ATTR_MOUNT_ROOT));
        bool empty = scratch_empty(dup(s->fd)) && rmdir(s->path) >= 0;
        if (!empty)
                print_error("# %s: not everything could be removed (a mount left there?)\n", s->path);
        close(s->fd);
        free(s);
        return empty ? 0 : -1;
}

/* Enters a new mount namespace, from which no mount leaks; the test requires root. Never bind a folder of the
 * machine below the scratch folder, only what is in it, or a tmpfs. */
static inline void scratch_unshare(Scratch *s) {
        if (unshare(CLONE_NEWNS) < 0)
                skip();
        assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        close(s->fd); /* it belongs to the old namespace, which will not see the new mounts */
        s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(s->fd >= 0);
}

/* Writes TEXT to the file NAME in the folder, creating the directories above it. */
static inline void scratch_write(const Scratch *s, const char *name, const char *text) {
        char *path = NULL;
        assert_int_equal(strprintf(&path, "%s/%s", s->path, name), 0);
        for (char *slash = strchr(path + strlen(s->path) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                assert_true(mkdir(path, 0755) >= 0 || errno == EEXIST);
                *slash = '/';
        }
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, text, strlen(text)), 0);
        close(fd);
        free(path);
}

/* S, which may be NULL, begins with PREFIX. */
static inline void assert_begins(const char *s, const char *prefix) {
        if (!s || !startswith(s, prefix))
                fail_msg("\"%s\" does not begin with \"%s\"", strempty(s), prefix);
}

/* S, which may be NULL, contains WORDS. */
static inline void assert_contains(const char *s, const char *words) {
        if (!s || !strstr(s, words))
                fail_msg("\"%s\" does not contain \"%s\"", strempty(s), words);
}

static inline size_t count_descriptors(void) {
        size_t n = 0;
        DIR *d = opendir("/proc/self/fd");
        assert_non_null(d);
        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
