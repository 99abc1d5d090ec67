/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The recipes, step by step. The problem that they solve: rename on vfat writes a directory entry with no
 * cluster and no size, and the true values follow only when the renamed inode itself is written, so the
 * textbook's write, fsync, rename, fsync(directory) leaves an empty file after a power cut. Hence the second
 * fsync of the renamed file. syncfs does not flush the disk and is not used.
 *
 * Decides nothing: which file, and in which order, is up to the plan. */

#include "builder/transaction/publish.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/error.h"
#include "helper/entry.h"
#include "tree/contain.h"

#define COPY_BUFFER (1024U * 1024U)
#define DIRECTORY_MODE 0755
#define FILE_MODE 0644
#define TEMPORARY_PREFIX ".bootkeep-"
#define TEMPORARY_SUFFIX ".tmp"
#define HEX8 8U
#define TEMPORARY_SIZE (sizeof(TEMPORARY_PREFIX TEMPORARY_SUFFIX) + HEX8)

static int fsync_fd(int fd) {
        return fsync(fd) < 0 ? error_origin(-errno) : 0;
}

/* A new file under an unused name. */
static int create_temporary(int dirfd, char name[static TEMPORARY_SIZE], int *ret_fd) {
        for (unsigned i = 0; i < 16; i++) {
                uint32_t u = 0;
                if (getrandom(&u, sizeof(u), 0) < 0)
                        return error_origin(-errno);
                (void) snprintf(name, TEMPORARY_SIZE, TEMPORARY_PREFIX "%08x" TEMPORARY_SUFFIX, u);
                int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
                if (fd >= 0) {
                        *ret_fd = fd;
                        return 0;
                }
                if (errno != EEXIST)
                        return error_origin(-errno);
        }
        return error_origin(-EEXIST);
}

/* The content of a new file. */
typedef struct Filling {
        int (*fill)(int fd, void *userdata);
        void *userdata;
} Filling;

static int fill_and_sync(int fd, const Filling *filling) {
        int r = filling->fill(fd, filling->userdata);
        if (r >= 0)
                r = fsync_fd(fd);
        if (r < 0)
                return r;
        /* so that it is read back from the disk later */
        (void) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        return 0;
}

static int stage_filled(int root, const char *path, const Filling *filling, char **ret_temporary) {
        assert(root >= 0 && path[0] == '/' && filling->fill && ret_temporary);
        _cleanup_close_ int dirfd = -EBADF, fd = -EBADF;
        _cleanup_free_ char *name = NULL, *whole = NULL;
        char temporary[TEMPORARY_SIZE];
        int r = contain_make_parent(root, path, DIRECTORY_MODE, &dirfd, &name);
        if (r >= 0)
                r = create_temporary(dirfd, temporary, &fd);
        if (r < 0)
                return r;
        r = strprintf(&whole, "%.*s%s", (int) (strlen(path) - strlen(name)), path, temporary);
        if (r >= 0)
                r = fill_and_sync(fd, filling);
        if (r < 0) {
                (void) unlinkat(dirfd, temporary, 0);
                return r;
        }
        *ret_temporary = TAKE_PTR(whole);
        return 0;
}

typedef struct FillText {
        const char *text;
        size_t size;
} FillText;

static int fill_with_text(int fd, void *userdata) {
        const FillText *t = userdata;
        return write_all(fd, t->text, t->size);
}

int publish_stage_text(int root, const char *path, const char *text, size_t size, char **ret_temporary) {
        assert(text || size == 0);
        FillText t = {.text = text, .size = size};
        return stage_filled(root, path, &(Filling){fill_with_text, &t}, ret_temporary);
}

typedef struct FillCopy {
        const PublishSource *source;
        Fingerprint content;
} FillCopy;

/* 1: there may be more. */
static int copy_piece(const PublishSource *source, int fd, char *buffer, uint64_t *offset, Hasher *h) {
        ssize_t n;
        do
                n = pread(source->fd, buffer, COPY_BUFFER, (off_t) *offset);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? error_origin(-errno) : 0;
        hasher_update(h, buffer, (size_t) n);
        int r = write_all(fd, buffer, (size_t) n);
        if (r < 0)
                return r;
        *offset += (uint64_t) n;
        const PublishWatcher *watcher = source->watcher;
        r = watcher ? watcher->copied((uint64_t) n, watcher->userdata) : 0;
        return r < 0 ? r : 1;
}

static int fill_with_copy(int fd, void *userdata) {
        FillCopy *c = userdata;
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        _cleanup_free_ char *buffer = malloc(COPY_BUFFER);
        uint64_t offset = 0;
        if (!h || !buffer)
                return error_origin(-ENOMEM);
        (void) posix_fadvise(c->source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        int r;
        do
                r = copy_piece(c->source, fd, buffer, &offset, h);
        while (r > 0);
        c->content = hasher_digest(h);
        return r;
}

int publish_stage_file(int root, const char *path, const PublishSource *source, Fingerprint *ret_content,
                       char **ret_temporary) {
        assert(source && source->fd >= 0 && ret_content);
        FillCopy c = {.source = source};
        int r = stage_filled(root, path, &(Filling){fill_with_copy, &c}, ret_temporary);
        if (r >= 0)
                *ret_content = c.content;
        return r;
}

/* A regular file, opened so that anything else neither blocks nor is written to. */
static int open_regular(int dirfd, const char *name, int flags, struct stat *ret_st) {
        _cleanup_close_ int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return error_origin(-errno);
        if (fstat(fd, ret_st) < 0)
                return error_origin(-errno);
        return S_ISREG(ret_st->st_mode) ? TAKE_FD(fd) : error_origin(-ESTALE);
}

/* vfat frees the clusters of a file when nobody holds it open any more, and writes that to disk at any time:
 * by holding it open until its name is gone from the disk, or leads elsewhere, we spare a machine that boots
 * in between a name that leads to nothing. */
static int hold_file(int dirfd, const char *name, int *ret_fd) {
        int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT)
                return error_origin(-errno);
        *ret_fd = fd;
        return 0;
}

/* If a file is replaced, its name leads to the old content until the inode of the new one is written. The
 * staged name must be gone before that, or two names share clusters, and fsck takes them from one of the two.
 * If none is replaced, the name would lead to an empty file until then. */
int publish_rename(int root, const char *temporary, const char *path) {
        assert(root >= 0 && strrchr(temporary, '/') - temporary == strrchr(path, '/') - path);
        _cleanup_close_ int dirfd = -EBADF, replaced = -EBADF;
        _cleanup_free_ char *name = NULL;
        const char *staged = strrchr(temporary, '/') + 1;
        struct stat st = {};
        int r = contain_open_parent(root, path, &dirfd, &name);
        if (r < 0)
                return r;
        _cleanup_close_ int fd = open_regular(dirfd, staged, O_RDWR, &st);
        if (fd < 0)
                return fd;
        r = hold_file(dirfd, name, &replaced);
        if (r < 0)
                return r;
        if (renameat(dirfd, staged, dirfd, name) < 0)
                return error_origin(-errno);
        r = replaced >= 0 ? fsync_fd(dirfd) : 0;
        if (r >= 0)
                r = fsync_fd(fd);
        return r < 0 ? r : fsync_fd(dirfd);
}

/* A regular file that is on the helper already. */
typedef struct PresentFile {
        int dirfd, fd;
        struct stat st;
} PresentFile;

#define PRESENT_FILE_NULL ((PresentFile){.dirfd = -EBADF, .fd = -EBADF})

static void present_file_done(PresentFile *f) {
        closep(&f->dirfd);
        closep(&f->fd);
}

static int present_file_open(int root, const char *path, int flags, PresentFile *ret) {
        _cleanup_free_ char *name = NULL;
        int r = contain_open_parent(root, path, &ret->dirfd, &name);
        if (r < 0)
                return r;
        ret->fd = open_regular(ret->dirfd, name, flags, &ret->st);
        return MIN(ret->fd, 0);
}

int publish_overwrite(int root, const char *path, const char *text) {
        _cleanup_(present_file_done) PresentFile f = PRESENT_FILE_NULL;
        int r = present_file_open(root, path, O_RDWR, &f);
        if (r < 0)
                return r;
        if (f.st.st_size != (off_t) ENTRY_SECTOR || f.st.st_nlink != 1)
                return error_origin(-ESTALE);
        ssize_t n = pwrite(f.fd, text, ENTRY_SECTOR, 0);
        if (n != (ssize_t) ENTRY_SECTOR)
                return n < 0 ? error_origin(-errno) : error_origin(-EIO);
        return fsync_fd(f.fd);
}

int publish_adopt(int root, const char *path) {
        _cleanup_(present_file_done) PresentFile f = PRESENT_FILE_NULL;
        int r = present_file_open(root, path, O_RDONLY, &f);
        if (r >= 0)
                r = fsync_fd(f.fd);
        return r < 0 ? r : fsync_fd(f.dirfd);
}

int publish_remove(int root, const char *path) {
        _cleanup_close_ int dirfd = -EBADF, removed = -EBADF;
        _cleanup_free_ char *name = NULL;
        int r = contain_open_parent(root, path, &dirfd, &name);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = hold_file(dirfd, name, &removed);
        if (r < 0)
                return r;
        if (unlinkat(dirfd, name, 0) < 0)
                return errno == ENOENT ? 0 : error_origin(-errno);
        return fsync_fd(dirfd);
}

int publish_remove_directory(int root, const char *path) {
        _cleanup_close_ int dirfd = -EBADF;
        _cleanup_free_ char *name = NULL;
        int r = contain_open_parent(root, path, &dirfd, &name);
        if (r < 0)
                return r == -ENOENT ? 1 : r;
        if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
                return errno == ENOENT                                             ? 1
                       : errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR ? 0
                                                                                   : error_origin(-errno);
        r = fsync_fd(dirfd);
        return r < 0 ? r : 1;
}

static bool is_temporary(const char *name) {
        const char *hex = startswith(name, TEMPORARY_PREFIX);
        return hex && strspn(hex, "0123456789abcdef") == HEX8 && streq(hex + HEX8, TEMPORARY_SUFFIX);
}

static int sweep_directory(DIR *d) {
        struct dirent *e;
        while ((errno = 0, e = readdir(d)))
                if (is_temporary(e->d_name) && unlinkat(dirfd(d), e->d_name, 0) < 0 && errno != ENOENT &&
                    errno != EISDIR)
                        return error_origin(-errno);
        return error_origin(-errno);
}

int publish_sweep(int root, const char *path) {
        _cleanup_close_ int parent = -EBADF;
        _cleanup_free_ char *name = NULL;
        int r = contain_open_parent(root, path, &parent, &name);
        if (r < 0)
                return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? 0 : r; /* no way, nothing staged */
        _cleanup_closedir_ DIR *d = fdopendir(parent);
        if (!d)
                return error_origin(-errno);
        (void) TAKE_FD(parent);
        return sweep_directory(d);
}

int publish_flush(int device) {
        assert(device >= 0);
        return fsync_fd(device);
}
