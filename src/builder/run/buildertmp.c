/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/buildertmp.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/path.h"
#include "tree/contain.h"

#define PREFIX ".bootkeep-build-"

/* How much is removed at once, and how deep: nobody waits for whatever a stranger has put there. */
#define ENTRIES_MAX (1U << 20)
#define DEPTH_MAX 100U

static const struct {
        const char *place, *name; /* in the folder */
} tmps[BUILDER_TMPS] = {
        [BUILDER_TMP] = {"/tmp", "tmp"},
        [BUILDER_VAR_TMP] = {"/var/tmp", "var-tmp"},
};

void buildertmp_done(BuilderTmp *tmp) {
        closep(&tmp->base);
        closep(&tmp->folder);
        for (size_t i = 0; i < BUILDER_TMPS; i++)
                closep(&tmp->mounts[i]);
        *tmp = BUILDER_TMP_NULL;
}

/* ---- removing ---- */

typedef struct Sweep {
        unsigned n_entries, depth;
} Sweep;

static void sweep_folder(Sweep *sweep, int parent, const char *name);

static void sweep_entry(Sweep *sweep, int parent, const char *name) {
        if (unlinkat(parent, name, 0) >= 0 || (errno != EISDIR && errno != EPERM))
                return;
        sweep->depth++;
        sweep_folder(sweep, parent, name);
        sweep->depth--;
        (void) unlinkat(parent, name, AT_REMOVEDIR);
}

/* Never through a link, and never into another mount. */
static void sweep_folder(Sweep *sweep, int parent, const char *name) {
        _cleanup_free_ char *path = NULL;
        int fd = -EBADF;
        if (sweep->depth > DEPTH_MAX || strprintf(&path, "/%s", name) < 0 ||
            contain_open_nolinks(parent, path, O_RDONLY | O_DIRECTORY, 0, &fd) < 0)
                return;
        _cleanup_closedir_ DIR *dir = fdopendir(fd);
        if (!dir) {
                (void) close(fd);
                return;
        }
        for (const struct dirent *entry; (entry = readdir(dir)) && sweep->n_entries++ < ENTRIES_MAX;)
                if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
                        sweep_entry(sweep, dirfd(dir), entry->d_name);
}

static void sweep_away(int base, const char *name) {
        Sweep sweep = {};
        sweep_folder(&sweep, base, name);
        (void) unlinkat(base, name, AT_REMOVEDIR);
}

void buildertmp_remove(const BuilderTmp *tmp) {
        if (tmp->folder >= 0)
                sweep_away(tmp->base, tmp->name);
}

/* Ours, and nobody has it locked. */
static bool is_left_behind(int base, const char *name) {
        _cleanup_close_ int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        return fd >= 0 && fstat(fd, &st) >= 0 && st.st_uid == 0 && (st.st_mode & 07777) == 0700 &&
               flock(fd, LOCK_EX | LOCK_NB) >= 0;
}

static void sweep_left_behind(int base) {
        int copy = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
        if (!dir) {
                closep(&copy);
                return;
        }
        unsigned n = 0;
        for (const struct dirent *entry; (entry = readdir(dir)) && n++ < ENTRIES_MAX;)
                if (startswith(entry->d_name, PREFIX) && is_left_behind(base, entry->d_name))
                        sweep_away(base, entry->d_name);
}

/* ---- making ---- */

static int make_folder(BuilderTmp *tmp) {
        uint64_t random;
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
                return error_origin(-EAGAIN);
        (void) snprintf(tmp->name, sizeof(tmp->name), PREFIX "%016" PRIx64, random);
        if (mkdirat(tmp->base, tmp->name, 0700) < 0)
                return error_origin(-errno);
        tmp->folder = openat(tmp->base, tmp->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (tmp->folder < 0 || flock(tmp->folder, LOCK_EX | LOCK_NB) < 0)
                return error_origin(-errno);
        return 0;
}

static int make_mount(int folder, const char *name, int *ret) {
        struct mount_attr attr = {.propagation = MS_PRIVATE};
        if (mkdirat(folder, name, 0700) < 0 || fchmodat(folder, name, 01777, 0) < 0)
                return error_origin(-errno);
        _cleanup_close_ int fd =
                open_tree(folder, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return error_origin(-errno);
        *ret = TAKE_FD(fd);
        return 0;
}

/* Is something below FOLDER in one of them? */
static bool words_need(char *const *words, const char *folder) {
        size_t size = strlen(folder);
        for (; words && *words; words++)
                for (const char *s = *words; (s = strstr(s, folder)); s++)
                        if (s[size] == '/')
                                return true;
        return false;
}

static bool is_free(const BuilderTmpNeed *need, const char *folder) {
        return !words_need(need->words, folder) &&
               (!need->place || !path_is_at_or_above(folder, need->place));
}

static int make_all(const BuilderTmpNeed *need, BuilderTmp *tmp) {
        int r = contain_open_across(need->root, "/var/tmp", &tmp->base);
        if (r < 0)
                return r;
        sweep_left_behind(tmp->base);
        r = make_folder(tmp);
        for (size_t i = 0; r >= 0 && i < BUILDER_TMPS; i++)
                if (is_free(need, tmps[i].place))
                        r = make_mount(tmp->folder, tmps[i].name, &tmp->mounts[i]);
        return r;
}

void buildertmp_make(const BuilderTmpNeed *need, BuilderTmp *ret) {
        assert(need->root >= 0 && ret);
        _cleanup_(buildertmp_done) BuilderTmp tmp = BUILDER_TMP_NULL;
        if (make_all(need, &tmp) < 0) {
                buildertmp_remove(&tmp);
                return;
        }
        *ret = tmp;
        tmp = BUILDER_TMP_NULL;
}

/* O_PATH: that is no open of the builder's. */
void buildertmp_attach(const BuilderTmp *tmp) {
        for (size_t i = 0; i < BUILDER_TMPS; i++) {
                _cleanup_close_ int place =
                        open(tmps[i].place, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (tmp->mounts[i] >= 0 && place >= 0)
                        (void) move_mount(tmp->mounts[i], "", place, "",
                                          MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
        }
}
