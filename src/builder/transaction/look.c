/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing is believed of a helper but size and bytes: FAT has no owners or modes, and times of two seconds.
 * Behind an interrupted or failed build not even our own record is; then files are read, from the disk and
 * not from what a failed write left in memory. */

#include "builder/transaction/look.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "base/failure.h"
#include "builder/transaction/entry.h"
#include "tree/contain.h"

/* Nothing that is wrong with a file. */
static bool is_fatal(int r) {
        return r == -ENOMEM || r == -EINTR;
}

/* 1: there; 0: nothing there. */
static int stat_file(int root, const char *path, int *ret_dirfd, char **ret_name, struct stat *ret) {
        int r = contain_open_parent(root, path, ret_dirfd, ret_name);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (fstatat(*ret_dirfd, *ret_name, ret, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_origin(-errno);
        return 1;
}

static int read_content(int dirfd, const char *name, Interrupt *interrupt, Fingerprint *ret) {
        _cleanup_close_ int fd =
                openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd < 0)
                return error_origin(-errno);
        (void) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        return fingerprint_content(fd, interrupt_wished, interrupt, ret, NULL);
}

static int look_at_content(const HelperFile *f, const HelperFile *vouched, int dirfd, const char *name,
                           Interrupt *interrupt, Standing *ret) {
        Fingerprint content;

        if (vouched && fingerprint_equal(&vouched->content, &f->content)) {
                *ret = STANDING_SAME;
                return 0;
        }
        int r = read_content(dirfd, name, interrupt, &content);
        if (is_fatal(r))
                return r;
        /* what cannot be read is to be replaced */
        *ret = r >= 0 && fingerprint_equal(&content, &f->content) ? STANDING_EQUAL : STANDING_OTHER;
        return 0;
}

static int look_at_file(int root, const HelperFile *f, const HelperFile *vouched, Interrupt *interrupt,
                        HelperView *ret, char **reterr) {
        _cleanup_close_ int dirfd = -EBADF;
        _cleanup_free_ char *name = NULL;
        struct stat st;
        int r = stat_file(root, f->path, &dirfd, &name, &st);

        if (r == -ELOOP)
                return failure(reterr, r, "%s: a symbolic link is in the way, which is not followed",
                               f->path);
        if (r == -ENOTDIR || (r > 0 && S_ISDIR(st.st_mode))) {
                *ret = (HelperView){.standing = STANDING_OTHER, .blocked = true};
                return 0;
        }
        if (r < 0)
                return failure_errno(reterr, r, "%s", f->path);
        if (r == 0)
                return 0; /* STANDING_ABSENT */
        ret->standing = STANDING_OTHER;
        ret->sector = S_ISREG(st.st_mode) && st.st_size == (off_t) ENTRY_SECTOR && st.st_nlink == 1;
        if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t) st.st_size != f->size)
                return 0;
        return look_at_content(f, vouched, dirfd, name, interrupt, &ret->standing);
}

int look_at_files(int root, const HelperSet *wanted, const HelperRecord *record, bool read_all,
                  Interrupt *interrupt, HelperView **ret, char **reterr) {
        _cleanup_(helper_index_done) HelperIndex old = HELPER_INDEX_NULL;
        _cleanup_free_ HelperView *views = calloc(wanted->n + 1, sizeof(*views));
        bool vouch = !record->intent && !read_all;

        if (!views || helper_index_init(&old, &record->carried, HELPER_KEY_PATH) < 0)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < wanted->n; i++) {
                const HelperFile *f = &wanted->items[i];
                const HelperFile *vouched = vouch ? helper_index_find(&old, f->path) : NULL;
                int r = look_at_file(root, f, vouched, interrupt, &views[i], reterr);
                /* a misc file may fail, but only when it is written: there that is told and forgiven */
                if (r < 0 && !is_fatal(r) && f->role == ROLE_MISC) {
                        views[i] = (HelperView){.standing = STANDING_OTHER};
                        continue;
                }
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(views);
        return 0;
}

static int read_text(int root, const char *path, HelperFile *ret) {
        _cleanup_close_ int fd = -EBADF;
        size_t size = 0;
        int r = contain_open_nolinks(root, path, O_PATH | O_NOFOLLOW, 0, &fd);

        if (r >= 0)
                r = contain_read(fd, ENTRY_SIZE_MAX, &ret->text, &size);
        if (r >= 0)
                ret->size = size;
        return r;
}

static int read_entry(int root, const HelperFile *old, HelperFile *ret) {
        int r = read_text(root, old->path, ret);

        if (r < 0)
                return r;
        ret->role = ROLE_ENTRY;
        ret->path = strdup(old->path);
        ret->boot = strdup(old->boot);
        return ret->path && ret->boot ? 0 : error_origin(-ENOMEM);
}

int look_at_entries(int root, const HelperRecord *record, HelperSet *ret) {
        _cleanup_(helper_set_done) HelperSet set = HELPER_SET_NULL;

        for (size_t i = 0; i < record->carried.n; i++) {
                _cleanup_(helper_file_done) HelperFile f = {};
                const HelperFile *old = &record->carried.items[i];
                int r = old->role == ROLE_ENTRY ? read_entry(root, old, &f) : error_origin(-ENOENT);
                if (r >= 0)
                        r = helper_set_add(&set, &f);
                if (r == -ENOMEM)
                        return r;
        }
        *ret = set;
        set = HELPER_SET_NULL;
        return 0;
}

/* The name of a kept file is of its content, so its size tells enough; an entry's name stays from set to set.
 */
static bool stands(int root, const HelperFile *f) {
        _cleanup_close_ int dirfd = -EBADF;
        _cleanup_free_ char *name = NULL;
        Fingerprint content;
        struct stat st;

        if (stat_file(root, f->path, &dirfd, &name, &st) <= 0 || !S_ISREG(st.st_mode) ||
            (uint64_t) st.st_size != f->size)
                return false;
        return f->role != ROLE_ENTRY ||
               (f->size <= ENTRY_SIZE_MAX && read_content(dirfd, name, NULL, &content) >= 0 &&
                fingerprint_equal(&content, &f->content));
}

int look_at_previous(int root, HelperRecord *record) {
        HelperSet *s = &record->previous;
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; i < s->n; i++) {
                HelperFile *f = &s->items[i];
                if (stands(root, f)) {
                        s->items[n++] = *f;
                        continue;
                }
                if (strv_extend(&record->ours, f->path) < 0)
                        r = -ENOMEM;
                helper_file_done(f);
        }
        s->n = n;
        return r;
}

/* TEXT if it is an entry that is wanted. */
static int add_left(int root, const char *path, bool text, HelperSet *set) {
        _cleanup_(helper_file_done) HelperFile f = {.role = ROLE_REQUIRED};
        _cleanup_close_ int dirfd = -EBADF;
        _cleanup_free_ char *name = NULL;
        struct stat st;

        if (stat_file(root, path, &dirfd, &name, &st) <= 0 || !S_ISREG(st.st_mode))
                return 0;
        f.path = strdup(path);
        if (!f.path)
                return error_origin(-ENOMEM);
        f.size = (uint64_t) st.st_size;
        if (text && read_text(root, path, &f) == -ENOMEM)
                return error_origin(-ENOMEM);
        return helper_set_add(set, &f);
}

int look_at_left(int root, const HelperSet *wanted, const HelperRecord *record, HelperSet *ret) {
        _cleanup_(helper_index_done) HelperIndex x = HELPER_INDEX_NULL;
        _cleanup_(helper_set_done) HelperSet set = HELPER_SET_NULL;

        if (helper_index_init(&x, wanted, HELPER_KEY_PATH) < 0)
                return error_origin(-ENOMEM);
        for (char **s = record->ours; s && *s; s++) {
                const HelperFile *w = helper_index_find(&x, *s);
                if (add_left(root, *s, w && w->role == ROLE_ENTRY, &set) < 0)
                        return error_origin(-ENOMEM);
        }
        *ret = set;
        set = HELPER_SET_NULL;
        return 0;
}

int look_at_space(int root, uint64_t *ret_block, uint64_t *ret_available) {
        struct statvfs st;

        if (fstatvfs(root, &st) < 0)
                return error_origin(-errno);
        *ret_block = st.f_frsize;
        *ret_available = (uint64_t) st.f_bavail * st.f_frsize;
        return 0;
}
