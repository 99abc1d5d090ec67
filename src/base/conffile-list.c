/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which configuration files there are: names in several folders, where a more important folder hides those in
 * the others. Their content is up to conffile.c. */

#include <sys/stat.h>

#include "base/conffile.h"
#include "base/error.h"

typedef struct Found {
        char *name, *path;
        bool masked;
} Found;

typedef struct FoundList {
        Found *items;
        size_t n;
} FoundList;

static void found_list_done(FoundList *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->items[i].name);
                free(l->items[i].path);
        }
        free(l->items);
}

static bool found_list_has(const FoundList *l, const char *name) {
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->items[i].name, name))
                        return true;
        return false;
}

static int found_list_add(FoundList *l, const char *directory, const char *name) {
        _cleanup_free_ char *path = NULL;
        struct stat st;
        if (grow(l->items, l->n) < 0 || strprintf(&path, "%s/%s", directory, name) < 0)
                return error_origin(-ENOMEM);
        char *copy = strdup(name);
        if (!copy)
                return error_origin(-ENOMEM);
        bool masked = stat(path, &st) >= 0 && conffile_is_null(&st);
        l->items[l->n++] = (Found){.name = copy, .path = TAKE_PTR(path), .masked = masked};
        return 0;
}

static bool name_has_suffix(const char *name, const char *suffix) {
        size_t n = strlen(name), k = strlen(suffix);
        return n > k && name[0] != '.' && streq(name + n - k, suffix);
}

/* Adds what DIRECTORY contains and more important ones did not. */
static int found_list_add_directory(FoundList *l, const char *directory, const char *suffix) {
        _cleanup_closedir_ DIR *d = opendir(directory);
        if (!d)
                return errno == ENOENT || errno == ENOTDIR ? 0 : error_origin(-errno);
        for (;;) {
                errno = 0;
                const struct dirent *e = readdir(d);
                if (!e)
                        return error_origin(-errno);
                if (!name_has_suffix(e->d_name, suffix) || found_list_has(l, e->d_name))
                        continue;
                int r = found_list_add(l, directory, e->d_name);
                if (r < 0)
                        return r;
        }
}

static int found_compare(const void *a, const void *b) {
        return strcmp(((const Found *) a)->name, ((const Found *) b)->name);
}

/* Appends the paths to *V, in order of their names. */
static int found_list_finish(FoundList *l, char ***v) {
        if (l->n > 0)
                qsort(l->items, l->n, sizeof(*l->items), found_compare);
        for (size_t i = 0; i < l->n; i++) {
                int r = l->items[i].masked ? 0 : strv_extend(v, l->items[i].path);
                if (r < 0)
                        return r;
        }
        return 0;
}

int conffile_list_directory(char *const *dirs, const char *suffix, char ***ret) {
        assert(suffix && ret);
        _cleanup_(found_list_done) FoundList found = {};
        _cleanup_strv_free_ char **v = NULL;
        int r = 0;
        for (char *const *d = dirs; r >= 0 && d && *d; d++)
                r = found_list_add_directory(&found, *d, suffix);
        if (r >= 0)
                r = found_list_finish(&found, &v);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}

static int list_add_main(char *const *dirs, const char *name, char ***v) {
        for (char *const *d = dirs; d && *d; d++) {
                _cleanup_free_ char *path = NULL;
                struct stat st;
                if (strprintf(&path, "%s/%s", *d, name) < 0)
                        return error_origin(-ENOMEM);
                if (lstat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
                        continue;
                bool masked = stat(path, &st) >= 0 && conffile_is_null(&st);
                return masked ? 0 : strv_push(v, TAKE_PTR(path));
        }
        return 0;
}

int conffile_list(char *const *dirs, const char *name, char ***ret) {
        assert(name && ret);
        _cleanup_(found_list_done) FoundList found = {};
        _cleanup_strv_free_ char **v = NULL;
        int r = list_add_main(dirs, name, &v);
        for (char *const *d = dirs; r >= 0 && d && *d; d++) {
                _cleanup_free_ char *dropins = NULL;
                if (strprintf(&dropins, "%s/%s.d", *d, name) < 0)
                        return error_origin(-ENOMEM);
                r = found_list_add_directory(&found, dropins, ".conf");
                if (r < 0 && r != -ENOMEM) {
                        conffile_warn(dropins, 0, "cannot be listed: %s", strerror(-r));
                        r = -EBADMSG;
                }
        }
        if (r >= 0)
                r = found_list_finish(&found, &v);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}
