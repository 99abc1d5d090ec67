/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* On the volume nothing leads out of its root. On the host a path may cross mounts (a separate /var): the
 * mount it leads into is opened as root, and from there on it is walked like a volume, so that the whole path
 * in that mount is watched.
 *
 * Only replacing or removing a file matters, not its content: dpkg's is written and closed all the time. */

#include "scan/lockfiles.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/error.h"
#include "base/report.h"
#include "freshness/finding.h"

void lock_files_done(LockFiles *l) {
        for (size_t i = 0; i < l->n; i++) {
                closep(&l->items[i].host.mount);
                free(l->items[i].host.path);
        }
        free(l->items);
        *l = LOCK_FILES_NULL;
}

static int open_host_directory(const char *path, int *ret_fd) {
        struct open_how how = {
                .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_NO_MAGICLINKS,
        };
        long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
        if (fd < 0)
                return -errno; /* a missing one need not be reported */
        *ret_fd = (int) fd;
        return 0;
}

/* Opens the nearest existing directory above PATH (absolute); *RET_REST points to what follows it, without a
 * leading slash. */
static int open_host_above(const char *path, int *ret_fd, const char **ret_rest) {
        _cleanup_free_ char *above = strdup(path);
        if (!above)
                return error_origin(-ENOMEM);
        assert(*path == '/');
        for (size_t n = strlen(path); n > 0;) {
                while (path[--n] != '/')
                        ;
                above[n] = 0;
                int r = open_host_directory(n > 0 ? above : "/", ret_fd);
                if (r >= 0) {
                        *ret_rest = path + n + 1;
                        return 0;
                }
                if (finding_is_shortage(r))
                        return error_origin(r);
        }
        return error_origin(-ENOENT);
}

/* Moves up from the directory *FD to the root of its mount, or to the root of a chroot. */
static int climb_to_mount(int *fd) {
        for (;;) {
                struct statx here, above;
                int r = place_stat(*fd, &here);
                if (r < 0 || here.stx_attributes & STATX_ATTR_MOUNT_ROOT)
                        return r;
                _cleanup_close_ int up = openat(*fd, "..", O_PATH | O_CLOEXEC);
                if (up < 0)
                        return error_origin(-errno);
                r = place_stat(up, &above);
                if (r < 0)
                        return r;
                PlaceIdentity a = place_identity(&here), b = place_identity(&above);
                if (place_identity_equal(&a, &b))
                        return 0;
                close(*fd);
                *fd = TAKE_FD(up);
        }
}

static int read_descriptor_path(int fd, char buffer[static PATH_MAX]) {
        char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%i", fd);
        ssize_t n = readlink(link, buffer, PATH_MAX - 1);
        if (n < 0)
                return error_origin(-errno);
        buffer[n] = 0;
        return 0;
}

/* The path from the root of the mount MOUNT to REST in the directory FD of the same mount. */
static int describe_way(int mount, int fd, const char *rest, char **ret) {
        char top[PATH_MAX], directory[PATH_MAX];
        int r = read_descriptor_path(mount, top);
        if (r >= 0)
                r = read_descriptor_path(fd, directory);
        if (r < 0)
                return r;
        const char *below = startswith(directory, streq(top, "/") ? "" : top);
        if (!below || (*below && *below != '/'))
                return error_origin(-ESTALE); /* moved meanwhile */
        return strprintf(ret, "%s/%s", streq(below, "/") ? "" : below, rest);
}

static int host_place_open(const char *path, HostPlace *ret) {
        _cleanup_close_ int above = -EBADF, mount = -EBADF;
        _cleanup_free_ char *way = NULL;
        const char *rest;
        int r = open_host_above(path, &above, &rest);
        if (r >= 0) {
                mount = fcntl(above, F_DUPFD_CLOEXEC, 0);
                r = mount < 0 ? error_origin(-errno) : climb_to_mount(&mount);
        }
        if (r >= 0)
                r = describe_way(mount, above, rest, &way);
        if (r < 0)
                return r;
        *ret = (HostPlace){.mount = TAKE_FD(mount), .path = TAKE_PTR(way)};
        return 0;
}

int lock_files_add(LockFiles *l, char *const *paths, bool exists) {
        assert(l);
        for (; paths && *paths; paths++) {
                LockFile item = {.path = *paths, .exists = exists, .host = {.mount = -EBADF}};
                if (grow(l->items, l->n) < 0)
                        return error_origin(-ENOMEM);
                int r = host_place_open(*paths, &item.host);
                if (finding_is_shortage(r))
                        return r;
                l->items[l->n++] = item;
        }
        return 0;
}

/* Arms the places in the path to a lock file. */
static int arm_presence(int fd, ArmKind kind, void *userdata) {
        const Arm *arm = userdata;
        if (kind == ARM_COVERED) /* a covered file is nobody's lock file */
                return 0;
        return place_arm(arm, fd, kind == ARM_NODE ? ARM_PRESENCE : kind);
}

/* When the machine was booted, by the clock that file times use. */
static int64_t boot_time(void) {
        struct timespec now, up;
        if (clock_gettime(CLOCK_REALTIME, &now) < 0 || clock_gettime(CLOCK_BOOTTIME, &up) < 0)
                return INT64_MIN;
        return (int64_t) now.tv_sec - up.tv_sec;
}

static bool is_older_than_boot(const struct statx *stx) {
        int64_t dated = stx->stx_mtime.tv_sec;
        if (stx->stx_mask & STATX_BTIME)
                dated = MAX(dated, (int64_t) stx->stx_btime.tv_sec);
        return dated < boot_time();
}

/* What was already printed, so that each file is reported once, however many paths lead to it. */
typedef struct Printed {
        ReportHold *items; /* without their paths */
        size_t n;
} Printed;

static void printed_done(Printed *p) {
        free(p->items);
}

static bool was_printed(const Printed *p, const ReportHold *hold) {
        for (size_t i = 0; i < p->n; i++)
                if (p->items[i].devno == hold->devno && p->items[i].inode == hold->inode &&
                    p->items[i].exists == hold->exists)
                        return true;
        return false;
}

static int print_left_behind(FILE *f, const char *path) {
        _cleanup_free_ char *text = NULL;
        int r = strprintf(
                &text, "%s is older than the boot: its owner is no longer running, so it holds nothing back",
                path);
        return r < 0 ? r : report_print(f, "NOTE", text, NULL);
}

static int print_file(FILE *f, Printed *printed, const LockFile *file, const struct statx *stx) {
        ReportHold hold = {
                .path = (char *) file->path,
                .devno = makedev(stx->stx_dev_major, stx->stx_dev_minor),
                .inode = stx->stx_ino,
                .exists = file->exists,
        };
        if (was_printed(printed, &hold) || printed->n >= REPORT_HOLDS_MAX)
                return 0;
        if (grow(printed->items, printed->n) < 0)
                return error_origin(-ENOMEM);
        printed->items[printed->n++] = hold;
        return file->exists && is_older_than_boot(stx) ? print_left_behind(f, file->path)
                                                       : report_print_hold(f, &hold);
}

/* Looks up FILE by PATH below the directory of WALK. */
static int report_at(FILE *f, Printed *printed, const LockFile *file, const Walk *walk, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *resolved = NULL;
        struct statx stx;
        int r = walk_resolve(walk, path, NULL, &fd, &resolved);
        if (r < 0)
                return finding_is_shortage(r) ? r : 0;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &stx) < 0)
                return error_origin(-errno);
        return print_file(f, printed, file, &stx);
}

int lock_files_report(const LockFiles *l, const Root *root, const Arm *arm, FILE *f) {
        const Arm presence = {arm_presence, (void *) arm};
        _cleanup_(printed_done) Printed printed = {};
        bool own = streq(root->mount.target, "/");
        int r = 0;
        for (size_t i = 0; r >= 0 && i < l->n; i++) {
                const LockFile *file = &l->items[i];
                if (file->host.mount >= 0)
                        r = report_at(f, &printed, file, &(Walk){file->host.mount, &presence},
                                      file->host.path);
                if (r >= 0 && !own)
                        r = report_at(f, &printed, file, &(Walk){root->fd, &presence}, file->path);
        }
        return r;
}
