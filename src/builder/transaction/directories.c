/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/transaction/directories.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/failure.h"
#include "base/path.h"
#include "builder/transaction/publish.h"
#include "tree/contain.h"

typedef struct Sweep {
        int root;
        NameMap swept; /* directories that are done; in NAMES */
        StrvBuilder names;
        Progress *progress;
        char **reterr;
} Sweep;

static void sweep_done(Sweep *s) {
        name_map_done(&s->swept);
        strv_builder_done(&s->names);
}

static int sweep_beside(Sweep *s, const char *path) {
        if (strv_builder_extend(&s->names, path) < 0)
                return error_origin(-ENOMEM);
        char *directory = s->names.items[s->names.n - 1];
        (void) path_cut_last(directory);
        int r = name_map_put(&s->swept, directory, directory);
        if (r > 0)
                r = publish_sweep(s->root, path);
        if (s->progress)
                progress_beat(s->progress);
        return r < 0 ? failure_errno(s->reterr, r, "%s", path) : 0;
}

/* Also those for files that nobody wants any more, which the record of its intent lists as ours. */
int directories_sweep(int root, const HelperRecord *record, const WantedSet *wanted, Progress *progress,
                      char **reterr) {
        assert(root >= 0 && record && wanted_set_is_named(wanted));
        _cleanup_(sweep_done) Sweep s = {
                .root = root,
                .swept = NAME_MAP_EXACT,
                .progress = progress,
                .reterr = reterr,
        };
        int r = 0;
        for (size_t i = 0; r >= 0 && i < record->carried.n; i++)
                r = sweep_beside(&s, record->carried.items[i].path);
        for (char **path = record->ours; r >= 0 && path && *path; path++)
                r = sweep_beside(&s, *path);
        for (size_t i = 0; r >= 0 && i < wanted->n; i++)
                r = sweep_beside(&s, wanted->items[i].path);
        return r;
}

typedef struct Missing {
        NameMap known; /* those in PATHS */
        StrvBuilder paths;
} Missing;

static void missing_done(Missing *m) {
        name_map_done(&m->known);
        strv_builder_done(&m->paths);
}

static int missing_add_if_absent(Missing *m, int root, const char *directory) {
        _cleanup_close_ int fd = -EBADF;
        if (name_map_get(&m->known, directory))
                return 0;
        int r = contain_open_nolinks(root, directory, O_PATH | O_DIRECTORY, 0, &fd);
        if (r != -ENOENT && r != -ENOTDIR)
                return r;
        if (strv_builder_extend(&m->paths, directory) < 0)
                return error_origin(-ENOMEM);
        const char *added = m->paths.items[m->paths.n - 1];
        return name_map_put(&m->known, added, added) < 0 ? error_origin(-ENOMEM) : 0;
}

/* Those in PATH. */
static int missing_add_all(Missing *m, int root, const char *path) {
        _cleanup_free_ char *copy = strdup(path);
        if (!copy)
                return error_origin(-ENOMEM);
        int r = 0;
        for (char *slash = strchr(copy + 1, '/'); r >= 0 && slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                r = missing_add_if_absent(m, root, copy);
                *slash = '/';
        }
        return r;
}

int directories_missing(int root, const WantedSet *wanted, const HelperView *views, char ***ret,
                        char **reterr) {
        _cleanup_(missing_done) Missing missing = {.known = NAME_MAP_EXACT};
        assert(wanted_set_is_named(wanted) && (views || wanted->n == 0) && ret);
        for (size_t i = 0; i < wanted->n; i++) {
                const char *path = wanted->items[i].path;
                int r = views[i].standing == STANDING_ABSENT || views[i].blocked
                                ? missing_add_all(&missing, root, path)
                                : 0;
                if (r < 0)
                        return failure_errno(reterr, r, "%s", path);
        }
        return strv_builder_finish(&missing.paths, ret);
}

int directories_standing(int root, char *const *paths, StrvBuilder *v) {
        assert(root >= 0 && v);
        for (; paths && *paths; paths++) {
                _cleanup_close_ int fd = -EBADF;
                int r = contain_open_nolinks(root, *paths, O_PATH | O_DIRECTORY, 0, &fd);
                if (r == -ENOMEM || (r >= 0 && strv_builder_extend(v, *paths) < 0))
                        return error_origin(-ENOMEM);
        }
        return 0;
}

/* Inner ones come after outer ones in the list, so from its end. */
void directories_remove(int root, char *const *paths) {
        assert(root >= 0);
        for (size_t i = strv_length(paths); i > 0; i--)
                (void) publish_remove_directory(root, paths[i - 1]);
}
