/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing about a helper is trusted except sizes and bytes: FAT has no owners or modes, and times are rounded
 * to two seconds. After an interrupted or failed build not even our own record is trusted; then files are
 * read, and from the disk, not from what a failed write left in memory. */

#include "helper/look.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "base/failure.h"
#include "helper/entry.h"
#include "tree/contain.h"
#include "tree/fingerprint.h"

/* It says nothing about the file: a failure to look is never mistaken for "it does not exist". */
static bool is_no_answer(int r) {
        return r == -ENOMEM || r == -EINTR || r == -EMFILE || r == -ENFILE;
}

/* A place on the helper, and what is there. */
typedef struct Spot {
        int dirfd;
        char *name;
        struct stat st; /* all 0 if nothing is there */
} Spot;

#define SPOT_NULL ((Spot){.dirfd = -EBADF})

static void spot_done(Spot *s) {
        closep(&s->dirfd);
        free(s->name);
}

/* 1: there; 0: nothing there. */
static int spot_find(int root, const char *path, Spot *ret) {
        int r = contain_open_parent(root, path, &ret->dirfd, &ret->name);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (fstatat(ret->dirfd, ret->name, &ret->st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_origin(-errno);
        return 1;
}

static int spot_read(const Spot *s, Interrupt *interrupt, Fingerprint *ret) {
        _cleanup_close_ int fd =
                openat(s->dirfd, s->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return error_origin(-errno);
        (void) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        return fingerprint_content(fd, interrupt_wished, interrupt, ret, NULL);
}

static bool spot_is_file_of_size(const Spot *s, uint64_t size) {
        return S_ISREG(s->st.st_mode) && (uint64_t) s->st.st_size == size;
}

/* ---- what is wanted ---- */

bool helper_view_is_equal(const HelperView *view) {
        return view->standing == STANDING_SAME || view->standing == STANDING_EQUAL;
}

static int compare_content(const Look *l, const WantedFile *f, const Spot *spot, Standing *ret) {
        Fingerprint content = {};
        int r = spot_read(spot, l->interrupt, &content);
        if (is_no_answer(r))
                return r;
        /* what cannot be read will be replaced */
        *ret = r >= 0 && fingerprint_equal(&content, &f->content) ? STANDING_EQUAL : STANDING_OTHER;
        return 0;
}

/* VOUCHED: what the record says about this name, if it can be trusted. */
static int view_file(const Look *l, const WantedFile *f, const CarriedFile *vouched, HelperView *ret,
                     char **reterr) {
        _cleanup_(spot_done) Spot spot = SPOT_NULL;
        int r = spot_find(l->root, f->path, &spot);
        if (r == -ELOOP)
                return failure(reterr, r, "%s: a symbolic link is in the way, which is not followed",
                               f->path);
        if (r == -ENOTDIR || S_ISDIR(spot.st.st_mode)) {
                *ret = (HelperView){.standing = STANDING_OTHER, .blocked = true};
                return 0;
        }
        if (r < 0)
                return failure_errno(reterr, r, "%s", f->path);
        *ret = (HelperView){.standing = STANDING_ABSENT};
        if (r == 0)
                return 0;
        ret->standing = STANDING_OTHER;
        ret->sector = spot_is_file_of_size(&spot, ENTRY_SECTOR) && spot.st.st_nlink == 1;
        if (!spot_is_file_of_size(&spot, f->size))
                return 0;
        if (vouched && fingerprint_equal(&vouched->content, &f->content)) {
                ret->standing = STANDING_SAME;
                return 0;
        }
        return compare_content(l, f, &spot, &ret->standing);
}

int look_at_wanted(const Look *l, const WantedSet *wanted, HelperView **ret, char **reterr) {
        assert(l->root >= 0 && l->record && wanted_set_is_named(wanted) && ret);
        _cleanup_(name_map_done) NameMap carried = NAME_MAP_NULL;
        _cleanup_free_ HelperView *views = calloc(wanted->n + 1, sizeof(*views));
        bool vouches = !l->record->intent && !l->read_all;
        if (!views || carried_set_map(&l->record->carried, &carried) < 0)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < wanted->n; i++) {
                const WantedFile *f = &wanted->items[i];
                int r = view_file(l, f, vouches ? name_map_get(&carried, f->path) : NULL, &views[i], reterr);
                /* a misc file may fail, but only when it is written: there this is logged and tolerated */
                if (r < 0 && !is_no_answer(r) && f->role == ROLE_MISC) {
                        views[i] = (HelperView){.standing = STANDING_OTHER};
                        continue;
                }
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(views);
        return 0;
}

/* ---- what stands there already ---- */

/* 1: read; 0: there is no such text. */
static int read_text(int root, const char *path, SeenFile *ret) {
        _cleanup_close_ int fd = -EBADF;
        size_t size = 0;
        int r = contain_open_nolinks(root, path, O_PATH, 0, &fd);
        if (r >= 0)
                r = contain_read(fd, ENTRY_SIZE_MAX, &ret->text, &size);
        if (r < 0)
                return is_no_answer(r) ? r : 0;
        ret->size = size;
        return 1;
}

static int add_seen_entry(int root, const CarriedFile *carried, SeenSet *set) {
        _cleanup_(seen_file_done) SeenFile f = {};
        int r = read_text(root, carried->path, &f);
        if (r <= 0)
                return r;
        f.path = strdup(carried->path);
        f.boot = strdup(carried->boot);
        return f.path && f.boot ? seen_set_add(set, &f) : error_origin(-ENOMEM);
}

int look_at_entries(const Look *l, SeenSet *ret) {
        assert(l->root >= 0 && l->record && ret);
        _cleanup_(seen_set_done) SeenSet set = {};
        for (size_t i = 0; i < l->record->carried.n; i++) {
                const CarriedFile *carried = &l->record->carried.items[i];
                int r = carried->role == ROLE_ENTRY ? add_seen_entry(l->root, carried, &set) : 0;
                if (r < 0)
                        return r;
        }
        *ret = set;
        set = (SeenSet){};
        return 0;
}

/* The name of a kept file is derived from its content, so its size is enough; an entry keeps its name from
 * set to set. */
static int kept_file_stands(int root, const KeptFile *f) {
        _cleanup_(spot_done) Spot spot = SPOT_NULL;
        int r = spot_find(root, f->path, &spot);
        if (!spot_is_file_of_size(&spot, f->size))
                return is_no_answer(r) ? r : 0;
        if (f->role != ROLE_ENTRY)
                return 1;
        if (f->size > ENTRY_SIZE_MAX)
                return 0;
        Fingerprint content = {};
        r = spot_read(&spot, NULL, &content);
        if (is_no_answer(r))
                return r;
        return r >= 0 && fingerprint_equal(&content, &f->content);
}

int look_at_kept(int root, HelperRecord *record) {
        assert(root >= 0 && record);
        _cleanup_(strv_builder_done) StrvBuilder ours = {};
        _cleanup_free_ bool *stand = calloc(record->kept.n + 1, sizeof(*stand));
        if (!stand)
                return error_origin(-ENOMEM);
        for (char **s = record->ours; s && *s; s++)
                if (strv_builder_extend(&ours, *s) < 0)
                        return error_origin(-ENOMEM);
        for (size_t i = 0; i < record->kept.n; i++) {
                int r = kept_file_stands(root, &record->kept.items[i]);
                if (r < 0)
                        return r;
                stand[i] = r > 0;
                if (!stand[i] && strv_builder_extend(&ours, record->kept.items[i].path) < 0)
                        return error_origin(-ENOMEM);
        }
        (void) strv_free(record->ours);
        record->ours = NULL;
        size_t n = 0;
        for (size_t i = 0; i < record->kept.n; i++)
                if (stand[i])
                        record->kept.items[n++] = record->kept.items[i];
                else
                        kept_file_done(&record->kept.items[i]);
        record->kept.n = n;
        return strv_builder_finish(&ours, &record->ours);
}

/* Its text if it is a wanted entry. */
static int add_seen_of_ours(int root, const char *path, bool wants_text, SeenSet *set) {
        _cleanup_(seen_file_done) SeenFile f = {};
        _cleanup_(spot_done) Spot spot = SPOT_NULL;
        int r = spot_find(root, path, &spot);
        if (!S_ISREG(spot.st.st_mode))
                return is_no_answer(r) ? r : 0;
        f.size = (uint64_t) spot.st.st_size;
        f.path = strdup(path);
        if (!f.path)
                return error_origin(-ENOMEM);
        r = wants_text ? read_text(root, path, &f) : 0;
        return r < 0 ? r : seen_set_add(set, &f);
}

int look_at_ours(const Look *l, const WantedSet *wanted, SeenSet *ret) {
        assert(wanted_set_is_named(wanted));
        _cleanup_(name_map_done) NameMap map = NAME_MAP_NULL;
        _cleanup_(seen_set_done) SeenSet set = {};
        if (wanted_set_map(wanted, &map) < 0)
                return error_origin(-ENOMEM);
        for (char **s = l->record->ours; s && *s; s++) {
                const WantedFile *w = name_map_get(&map, *s);
                if (l->progress)
                        progress_beat(l->progress);
                int r = add_seen_of_ours(l->root, *s, w && w->role == ROLE_ENTRY, &set);
                if (r < 0)
                        return r;
        }
        *ret = set;
        set = (SeenSet){};
        return 0;
}

int look_at_space(int root, uint64_t *ret_block, uint64_t *ret_available) {
        assert(root >= 0 && ret_block && ret_available);
        struct statvfs st;
        if (fstatvfs(root, &st) < 0)
                return error_origin(-errno);
        *ret_block = MAX(st.f_frsize, 1UL);
        *ret_available = (uint64_t) st.f_bavail * st.f_frsize;
        return 0;
}
