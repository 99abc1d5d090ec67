/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finds what each= matches on the volume: it lists the directory of the pattern, armed first, and refuses to
 * examine what the names in it refer to. */

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>

#include "base/error.h"
#include "base/log.h"
#include "manifest/planner.h"
#include "tree/contain.h"

#define NAME_STEPS 64U /* the cost of reading a name, besides that of the bytes to match */
#define MATCH_STEPS_MAX 4000000U

/* An each= while it is being matched. */
typedef struct Pattern {
        const char *each;
        unsigned line;
        const char *last_part; /* of each, expanded */
        size_t size;           /* of the last part */
        size_t n_left_out;
} Pattern;

/* In every directory; a pattern may begin with ".", too. */
static bool name_is_dots(const char *name) {
        return streq(name, ".") || streq(name, "..");
}

/* A name that a builder could mistake for an option, or that would disturb a terminal. */
static bool name_is_acceptable(const char *name) {
        if (name[0] == '-')
                return false;
        for (const char *s = name; *s; s++)
                if ((unsigned char) *s < 0x20 || *s == 0x7f)
                        return false;
        return true;
}

static int planner_add_instance(Planner *p, unsigned line, const char *name) {
        if (p->n_instances >= MANIFEST_INSTANCES_MAX)
                return planner_refuse(p, line, "more than %u instances", MANIFEST_INSTANCES_MAX);
        if (grow(p->plan->instances, p->n_instances + 1) < 0) /* and the NULL after it */
                return error_origin(-ENOMEM);
        char **end = &p->plan->instances[p->n_instances];
        end[0] = strdup(name);
        end[1] = NULL;
        if (!end[0])
                return error_origin(-ENOMEM);
        p->n_instances++;
        return 0;
}

/* A name costs at most its bytes for each byte of the pattern. */
static int planner_count_steps(Planner *p, const Pattern *pattern, const char *name) {
        p->match_steps += NAME_STEPS + strlen(name) * pattern->size;
        if (p->match_steps > MATCH_STEPS_MAX)
                return planner_refuse(
                        p, pattern->line,
                        "matching names against the patterns takes too many steps, up to this each=");
        return 0;
}

static int planner_match_name(Planner *p, Pattern *pattern, const char *name) {
        int r = planner_count_steps(p, pattern, name);
        if (r < 0 || name_is_dots(name) || fnmatch(pattern->last_part, name, FNM_PERIOD | FNM_NOESCAPE) != 0)
                return r;
        if (!name_is_acceptable(name)) {
                pattern->n_left_out++;
                return 0;
        }
        return planner_add_instance(p, pattern->line, name);
}

static int planner_match_names(Planner *p, Pattern *pattern, DIR *d) {
        int r = 0;
        for (;;) {
                errno = 0;
                const struct dirent *entry = readdir(d);
                if (!entry)
                        break;
                r = planner_match_name(p, pattern, entry->d_name);
                if (r < 0)
                        return r;
        }
        return errno > 0 ? planner_could_not_look(p, -errno, pattern->line, pattern->each) : 0;
}

static int compare_instances(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Opens the directory of a pattern, armed before it is read. -ENOENT: there is none. */
static int planner_open_directory(Planner *p, const char *path, DIR **ret) {
        _cleanup_close_ int fd = -EBADF, readable = -EBADF;
        _cleanup_free_ char *resolved = NULL;
        int r = walk_resolve(p->walk, path, NULL, &fd, &resolved);
        if (r >= 0)
                r = place_arm(p->walk->arm, fd, ARM_TREE);
        if (r >= 0)
                r = contain_reopen(fd, O_RDONLY | O_DIRECTORY, &readable);
        if (r < 0)
                return r == -ENOTDIR ? -ENOENT : r;
        DIR *d = fdopendir(readable);
        if (!d)
                return error_origin(-errno);
        (void) TAKE_FD(readable);
        *ret = d;
        return 0;
}

static int planner_find_instances(Planner *p, Pattern *pattern) {
        _cleanup_closedir_ DIR *d = NULL;
        char path[TEMPLATE_PATH_MAX + 1];
        size_t first = p->n_instances;
        int r = template_expand(pattern->each, NULL, p->plan->machine_id, path);
        if (r < 0)
                return planner_could_not_look(p, r, pattern->line, pattern->each);
        char *slash = strrchr(path, '/');
        *slash = 0;
        pattern->last_part = slash + 1;
        pattern->size = strlen(pattern->last_part);
        r = planner_open_directory(p, slash == path ? "/" : path, &d);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return planner_could_not_look(p, r, pattern->line, path);
        assert(d);
        r = planner_match_names(p, pattern, d);
        if (r < 0)
                return r;
        if (pattern->n_left_out > 0)
                log_warning("%s:%u: ignoring %zu name%s matching %s (leading \"-\" or control characters)",
                            p->manifest->path, pattern->line, pattern->n_left_out,
                            pattern->n_left_out == 1 ? "" : "s", pattern->each);
        if (p->n_instances > first)
                qsort(p->plan->instances + first, p->n_instances - first, sizeof(*p->plan->instances),
                      compare_instances);
        return 0;
}

int planner_match(Planner *p, unsigned line, const char *each, Matches *ret) {
        assert(p->plan && ret);
        for (size_t i = 0; i < p->n_matches; i++)
                if (streq_ptr(p->matches[i].each, each)) {
                        *ret = p->matches[i];
                        return 0;
                }
        if (grow(p->matches, p->n_matches) < 0)
                return error_origin(-ENOMEM);
        Matches m = {.each = each, .first = p->n_instances};
        int r = each ? planner_find_instances(p, &(Pattern){.each = each, .line = line}) : 0;
        if (r < 0)
                return r;
        m.n = each ? p->n_instances - m.first : 1;
        *ret = p->matches[p->n_matches++] = m;
        return 0;
}

const char *planner_instance(const Planner *p, const Matches *m, size_t i) {
        assert(i < m->n);
        assert(!m->each || m->first + i < p->n_instances);
        return m->each ? p->plan->instances[m->first + i] : NULL;
}
