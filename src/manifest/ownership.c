/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Anybody who can change a file, or a folder in its path, decides what root will run. It refuses to open
 * anything: if only root can change the whole path, what was checked is what will be opened. */

#include "manifest/ownership.h"

#include "base/error.h"

#define HOST_LINKS_MAX 40U
#define TARGET_ROOM 4096U

const char *ownership_problem_of_file(const struct stat *st) {
        assert(st);
        if (!S_ISREG(st->st_mode))
                return "not a regular file";
        if (st->st_uid != 0)
                return "not owned by root";
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return "writable by users other than root";
        return NULL;
}

bool ownership_is_roots_folder(const struct stat *st) {
        assert(st);
        bool others = st->st_mode & S_IWOTH || (st->st_mode & S_IWGRP && st->st_gid != 0);
        return st->st_uid == 0 && !others;
}

/* Everybody can write to it, but nobody can remove or replace what belongs to others. */
static bool is_roots_sticky_folder(const struct stat *st) {
        return st->st_uid == 0 && st->st_mode & S_ISVTX;
}

/* The path to a file of the host, name by name. */
typedef struct HostWay {
        char *path;   /* each link that was passed is replaced by its target */
        size_t begin; /* of the current name */
        size_t end;   /* of the same */
        unsigned n_links;
        bool at_end;
        char *problem;
} HostWay;

static void host_way_done(HostWay *w) {
        free(w->path);
        free(w->problem);
}

static int host_way_start(HostWay *w, char *path) {
        free(w->path);
        w->path = path;
        w->begin = w->end = 0;
        return path ? 0 : error_origin(-ENOMEM);
}

/* False: there are no further names. */
static bool host_way_next(HostWay *w) {
        w->begin = w->end + strspn(w->path + w->end, "/");
        w->end = w->begin + strcspn(w->path + w->begin, "/");
        return w->end > w->begin;
}

static bool host_way_is_last(const HostWay *w) {
        return w->path[w->end + strspn(w->path + w->end, "/")] == 0;
}

/* Does the folder contain the file itself, rather than another folder? */
static bool host_way_is_next_to_last(const HostWay *w) {
        HostWay next = *w;
        return host_way_next(&next) && host_way_is_last(&next);
}

static int host_way_check_folder(HostWay *w, const char *folder, const struct stat *st) {
        bool good =
                ownership_is_roots_folder(st) || (is_roots_sticky_folder(st) && !host_way_is_next_to_last(w));
        return good ? 0 : strprintf(&w->problem, "%s is writable by users other than root", folder);
}

/* Replaces LINK, which is w->path up to w->end, by its target. */
static int host_way_follow_link(HostWay *w, const char *link, const struct stat *st) {
        char target[TARGET_ROOM], *path = NULL;
        if (st->st_uid != 0)
                return strprintf(&w->problem, "the symbolic link %s is not owned by root", link);
        if (++w->n_links > HOST_LINKS_MAX)
                return error_origin(-ELOOP);
        ssize_t n = readlink(link, target, sizeof(target));
        if (n < 0)
                return error_origin(-errno);
        if ((size_t) n == sizeof(target))
                return error_origin(-ENAMETOOLONG);
        int above = target[0] == '/' ? 0 : (int) w->begin;
        int r = strprintf(&path, "%.*s%.*s%s", above, w->path, (int) n, target, w->path + w->end);
        return r < 0 ? r : host_way_start(w, path);
}

static int host_way_check_name(HostWay *w) {
        _cleanup_free_ char *place = strndup(w->path, w->end);
        struct stat st;
        if (!place)
                return error_origin(-ENOMEM);
        if (lstat(place, &st) < 0)
                return error_origin(-errno);
        if (S_ISLNK(st.st_mode))
                return host_way_follow_link(w, place, &st);
        if (!host_way_is_last(w))
                return host_way_check_folder(w, place, &st);
        w->at_end = true;
        const char *problem = ownership_problem_of_file(&st);
        return problem ? free_and_strdup(&w->problem, problem) : 0;
}

/* The start of the path has no name of its own. */
static int host_way_check_start(HostWay *w) {
        const char *start = w->path[0] == '/' ? "/" : ".";
        struct stat st;
        if (stat(start, &st) < 0)
                return error_origin(-errno);
        return host_way_check_folder(w, start, &st);
}

int ownership_check_host_file(const char *path, char **ret) {
        assert(path && *path && ret);
        _cleanup_(host_way_done) HostWay w = {};
        int r = host_way_start(&w, strdup(path));
        while (r >= 0 && !w.problem && !w.at_end) {
                if (w.end == 0)
                        r = host_way_check_start(&w);
                if (r >= 0 && !w.problem)
                        r = host_way_next(&w) ? host_way_check_name(&w)
                                              : strprintf(&w.problem, "not a regular file");
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w.problem);
        return 0;
}
