/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Expands a manifest on the volume that it lies on. It looks at three things only: the directories in which
 * each= is matched, the machine id, and nothing of what the paths lead to. What only the volume can tell is
 * refused here: patterns that overlap, circles between instances, too many of them. */

#include "manifest/plan.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>

#include "base/error.h"
#include "base/log.h"
#include "manifest/order.h"
#include "manifest/refusal.h"
#include "manifest/template.h"
#include "tree/contain.h"

#define MACHINE_ID_DIGITS 32U
#define CIRCLE_SHOWN_MAX 8U
#define NAME_STEPS 64U /* what it takes to look at a name, beside the bytes to be matched */
#define MATCH_STEPS_MAX 4000000U

/* What one each= matches: a range of the plan's instances. */
typedef struct Matches {
        const char *each;
        size_t first, n;
} Matches;

typedef struct Planner {
        const Walk *walk;
        const Manifest *manifest;
        const DefinitionSet *definitions;
        char **reterr;
        Plan *plan;
        size_t n_instances; /* in plan->instances */
        size_t match_steps; /* so far: bytes of names times bytes of patterns, about */
        size_t path_bytes;  /* of all paths that are to be expanded */
        Matches *matches;
        size_t n_matches;
} Planner;

static void planner_done(Planner *p) {
        if (p->plan)
                plan_free(p->plan);
        free(p->matches);
}

#define refuse(p, line, ...) refusal((p)->reterr, (p)->manifest->path, (line), __VA_ARGS__)

Plan *plan_free(Plan *p) {
        if (!p)
                return NULL;
        free(p->caches);
        free(p->copies);
        free(p->machine_id);
        strv_free(p->instances);
        free(p);
        return NULL;
}

int plan_path(const Plan *plan, const char *template, const char *instance, char **ret) {
        char buffer[TEMPLATE_PATH_MAX + 1];
        int r = template_expand(template, instance, plan->machine_id, buffer);
        if (r < 0)
                return r;
        char *path = strdup(buffer);
        if (!path)
                return error_origin(-ENOMEM);
        *ret = path;
        return 0;
}

bool plan_copy_is_for(const PlanCopy *copy, HelperType type, bool disk_has_xbootldr) {
        if (copy->copy->helper == type)
                return true;
        return copy->copy->helper == HELPER_XBOOTLDR && type == HELPER_ESP && !disk_has_xbootldr;
}

/* Looking at PATH gave R. What lies in the way on the volume is a reason to refuse. All else is an error, to
 * be tried again: a disk, memory, and another mount in the way, for no watch tells that it went. */
static int could_not_look(Planner *p, int r, unsigned line, const char *path) {
        const char *problem = refusal_of_way(r);
        if (r == -ENOMEM)
                return r;
        int q = refuse(p, line, "cannot read %s: %s", path, problem ? problem : strerror(-r));
        return q == -ENOMEM || (problem && r != -EXDEV) ? q : r;
}

static bool cache_uses(const ManifestCache *c, char which) {
        if (c->each && template_uses(c->each, which))
                return true;
        for (size_t i = 0; i < c->n_sources; i++)
                if (template_uses(c->sources[i].path, which))
                        return true;
        for (size_t i = 0; i < c->n_outputs; i++)
                if (template_uses(c->outputs[i], which))
                        return true;
        return false;
}

/* The line of the first that uses %m, 0: none does. */
static unsigned find_machine_id_user(const Manifest *m) {
        for (size_t i = 0; i < m->n_caches; i++)
                if (cache_uses(&m->caches[i], 'm'))
                        return m->caches[i].line;
        for (size_t i = 0; i < m->n_copies; i++) {
                const ManifestCopy *c = &m->copies[i];
                if ((c->each && template_uses(c->each, 'm')) || template_uses(c->from, 'm') ||
                    template_uses(c->to, 'm'))
                        return c->line;
        }
        return 0;
}

/* TEXT is what /etc/machine-id holds: 32 hex digits that are not all 0, and a newline. */
static bool machine_id_is_valid(const char *text, size_t size) {
        size_t n = strspn(text, "0123456789abcdef");
        return n == MACHINE_ID_DIGITS && (size == n || (size == n + 1 && text[n] == '\n')) &&
               strspn(text, "0") < n;
}

static int read_machine_id(Planner *p) {
        static const char path[] = "/etc/machine-id";
        unsigned line = find_machine_id_user(p->manifest);
        if (line == 0)
                return 0;

        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *resolved = NULL, *text = NULL;
        size_t size = 0;
        int r = walk_resolve(p->walk, path, NULL, &fd, &resolved);
        if (r >= 0)
                r = contain_read(fd, 64, &text, &size);
        if (r >= 0 && machine_id_is_valid(text, size)) {
                p->plan->machine_id = strndup(text, MACHINE_ID_DIGITS);
                return p->plan->machine_id ? 0 : error_origin(-ENOMEM);
        }
        /* present but no machine id (`uninitialized`, a directory, too long) is as good as none */
        if (r >= 0 || r == -ENOENT || r == -ENOTDIR || r == -EINVAL || r == -EFBIG)
                return refuse(p, line, "%%m is used, but %s contains no machine ID", path);
        return could_not_look(p, r, line, path);
}

/* What every directory lists; a pattern may begin with "." too. */
static bool is_dots(const char *name) {
        return streq(name, ".") || streq(name, "..");
}

/* A name that a builder could take for an option, or that would disturb a terminal. */
static bool name_is_acceptable(const char *name) {
        if (name[0] == '-')
                return false;
        for (const char *s = name; *s; s++)
                if ((unsigned char) *s < 0x20 || *s == 0x7f)
                        return false;
        return true;
}

static int take_match(Planner *p, unsigned line, const char *name) {
        if (p->n_instances >= MANIFEST_INSTANCES_MAX)
                return refuse(p, line, "more than %u instances", MANIFEST_INSTANCES_MAX);
        if (grow(p->plan->instances, p->n_instances + 1) < 0) /* and the NULL behind it */
                return error_origin(-ENOMEM);
        char **end = &p->plan->instances[p->n_instances];
        end[0] = strdup(name);
        end[1] = NULL;
        if (!end[0])
                return error_origin(-ENOMEM);
        p->n_instances++;
        return 0;
}

/* A name costs its bytes for each byte of the pattern at most. */
static int check_steps(Planner *p, unsigned line, const char *name, size_t pattern_size) {
        p->match_steps += NAME_STEPS + strlen(name) * pattern_size;
        if (p->match_steps > MATCH_STEPS_MAX)
                return refuse(p, line,
                              "matching names against the patterns takes too many steps, up to this each=");
        return 0;
}

static int match_names(Planner *p, DIR *d, unsigned line, const char *each, const char *pattern) {
        size_t left_out = 0, size = strlen(pattern);
        for (;;) {
                errno = 0;
                const struct dirent *e = readdir(d);
                if (!e)
                        break;
                int r = check_steps(p, line, e->d_name, size);
                if (r < 0)
                        return r;
                if (is_dots(e->d_name) || fnmatch(pattern, e->d_name, FNM_PERIOD | FNM_NOESCAPE) != 0)
                        continue;
                if (!name_is_acceptable(e->d_name)) {
                        left_out++;
                        continue;
                }
                r = take_match(p, line, e->d_name);
                if (r < 0)
                        return r;
        }
        if (errno > 0)
                return could_not_look(p, -errno, line, each);
        if (left_out > 0)
                log_warning("%s:%u: ignoring %zu names that match %s: they begin with \"-\" or contain "
                            "control characters",
                            p->manifest->path, line, left_out, each);
        return 0;
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Opens the directory of a pattern, armed before it is read. -ENOENT: there is none. */
static int open_directory(Planner *p, const char *path, DIR **ret) {
        _cleanup_close_ int fd = -EBADF, readable = -EBADF;
        _cleanup_free_ char *resolved = NULL;
        int r = walk_resolve(p->walk, path, NULL, &fd, &resolved);
        const Arm *arm = p->walk->arm;
        if (r >= 0 && arm)
                r = arm->arm(fd, ARM_TREE, arm->userdata);
        if (r >= 0)
                r = contain_reopen(fd, O_RDONLY | O_DIRECTORY, &readable);
        if (r < 0)
                return r == -ENOTDIR ? error_origin(-ENOENT) : r;
        DIR *d = fdopendir(readable);
        if (!d)
                return error_origin(-errno);
        (void) TAKE_FD(readable);
        *ret = d;
        return 0;
}

static int find_instances(Planner *p, unsigned line, const char *each) {
        _cleanup_closedir_ DIR *d = NULL;
        char path[TEMPLATE_PATH_MAX + 1];
        size_t first = p->n_instances;

        int r = template_expand(each, NULL, p->plan->machine_id, path);
        if (r < 0)
                return could_not_look(p, r, line, each);
        char *slash = strrchr(path, '/');
        *slash = 0;
        r = open_directory(p, slash == path ? "/" : path, &d);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return could_not_look(p, r, line, path);
        r = match_names(p, d, line, each, slash + 1);
        if (r >= 0 && p->n_instances > first)
                qsort(p->plan->instances + first, p->n_instances - first, sizeof(char *), compare_strings);
        return r;
}

/* What EACH matches, looked for once however many use it. EACH may be NULL: one instance without a name. */
static int get_matches(Planner *p, unsigned line, const char *each, Matches *ret) {
        for (size_t i = 0; i < p->n_matches; i++)
                if (streq_ptr(p->matches[i].each, each)) {
                        *ret = p->matches[i];
                        return 0;
                }
        if (grow(p->matches, p->n_matches) < 0)
                return error_origin(-ENOMEM);
        Matches m = {.each = each, .first = p->n_instances};
        int r = each ? find_instances(p, line, each) : 0;
        if (r < 0)
                return r;
        m.n = each ? p->n_instances - m.first : 1;
        *ret = p->matches[p->n_matches++] = m;
        return 0;
}

static const char *instance_of(const Planner *p, const Matches *m, size_t i) {
        return m->each ? p->plan->instances[m->first + i] : NULL;
}

/* Is there room for the instances M, each of whose paths cost COST? */
static int check_room(Planner *p, unsigned line, const Matches *m, TemplateCost cost) {
        if (p->plan->n_caches + p->plan->n_copies + m->n > MANIFEST_INSTANCES_MAX)
                return refuse(p, line, "more than %u instances in total", MANIFEST_INSTANCES_MAX);
        for (size_t i = 0; i < m->n; i++)
                p->path_bytes += cost.fixed + cost.instances * strlen(strempty(instance_of(p, m, i)));
        if (p->path_bytes > MANIFEST_EXPANDED_MAX)
                return refuse(p, line, "more than %u MiB of paths in total", MANIFEST_EXPANDED_MAX >> 20);
        return 0;
}

static int add_cache(Planner *p, const ManifestCache *c) {
        Plan *plan = p->plan;
        Matches m = {};
        const Definition *definition = definition_set_find(p->definitions, c->builder);
        if (!definition)
                return refuse(p, c->line, "unknown builder \"%s\" of cache \"%s\"", c->builder, c->name);
        TemplateCost cost = {};
        for (size_t i = 0; i < c->n_sources; i++)
                template_add_cost(c->sources[i].path, &cost);
        for (size_t i = 0; i < c->n_outputs; i++)
                template_add_cost(c->outputs[i], &cost);
        int r = get_matches(p, c->line, c->each, &m);
        if (r >= 0)
                r = check_room(p, c->line, &m, cost);
        for (size_t i = 0; r >= 0 && i < m.n; i++) {
                r = grow(plan->caches, plan->n_caches);
                if (r >= 0)
                        plan->caches[plan->n_caches++] = (PlanCache){c, definition, instance_of(p, &m, i)};
        }
        return r;
}

static int add_copy(Planner *p, const ManifestCopy *c) {
        Plan *plan = p->plan;
        Matches m = {};
        TemplateCost cost = {};
        template_add_cost(c->from, &cost);
        template_add_cost(c->to, &cost);
        int r = get_matches(p, c->line, c->each, &m);
        if (r >= 0)
                r = check_room(p, c->line, &m, cost);
        for (size_t i = 0; r >= 0 && i < m.n; i++) {
                r = grow(plan->copies, plan->n_copies);
                if (r >= 0)
                        plan->copies[plan->n_copies++] = (PlanCopy){c, instance_of(p, &m, i)};
        }
        return r;
}

static int add_all(Planner *p) {
        const Manifest *m = p->manifest;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < m->n_caches; i++)
                r = add_cache(p, &m->caches[i]);
        for (CopyRole role = 0; role < _ROLE_MAX; role++)
                for (size_t i = 0; r >= 0 && i < m->n_copies; i++)
                        if (m->copies[i].role == role)
                                r = add_copy(p, &m->copies[i]);
        return r;
}

/* A template on its own line: an instance can make it too long. */
static int expand(Planner *p, unsigned line, const char *template, const char *instance,
                  char buffer[static TEMPLATE_PATH_MAX + 1]) {
        int r = template_expand(template, instance, p->plan->machine_id, buffer);
        if (r == -ENAMETOOLONG)
                return refuse(p, line, "\"%.100s\" is longer than %u bytes for %s", template,
                              TEMPLATE_PATH_MAX, strempty(instance));
        return r < 0 ? could_not_look(p, r, line, template) : 0;
}

/* Walks leave it out: a copy of it would silently be empty, a source never change. */
static int check_foreign(Planner *p, unsigned line, const char *path) {
        if (!place_is_own_state(path))
                return 0;
        return refuse(p, line, "\"%.100s\" is bootkeep's own and cannot be a source, an output or a copy",
                      path);
}

typedef int (*OrderStep)(Planner *p, Order *o, size_t item, OrderKind kind, const char *path);

static int declare_path(Planner *p, Order *o, size_t item, OrderKind kind, const char *path) {
        size_t other = 0;
        int r = check_foreign(p, p->plan->caches[item].cache->line, path);
        if (r >= 0)
                r = order_declare(o, item, &(OrderPath){kind, NULL, path}, &other);
        if (r != -EEXIST)
                return r;
        const PlanCache *a = &p->plan->caches[other], *b = &p->plan->caches[item];
        return refuse(p, b->cache->line, "output %.100s of %s %s is also an output of %s %s", path,
                      b->cache->name, strempty(b->instance), a->cache->name, strempty(a->instance));
}

static int connect_path(Planner *p, Order *o, size_t item, OrderKind kind, const char *path) {
        return order_connect(o, item, &(OrderPath){kind, NULL, path});
}

/* Does STEP with all paths of one cache. */
static int step_cache(Planner *p, Order *o, size_t item, OrderStep step) {
        const PlanCache *pc = &p->plan->caches[item];
        const ManifestCache *c = pc->cache;
        char path[TEMPLATE_PATH_MAX + 1];
        int r = 0;
        for (size_t i = 0; r >= 0 && i < c->n_outputs; i++) {
                r = expand(p, c->line, c->outputs[i], pc->instance, path);
                if (r >= 0)
                        r = step(p, o, item, ORDER_OUTPUT, path);
        }
        for (size_t i = 0; r >= 0 && i < c->n_sources; i++) {
                r = expand(p, c->line, c->sources[i].path, pc->instance, path);
                if (r >= 0)
                        r = step(p, o, item, ORDER_SOURCE, path);
        }
        return r;
}

static int refuse_circle(Planner *p, const size_t *members, size_t n) {
        assert(members && n > 0);
        _cleanup_free_ char *names = strdup("");
        for (size_t i = 0; names && i <= MIN(n, CIRCLE_SHOWN_MAX); i++) {
                const PlanCache *c = &p->plan->caches[members[i % n]];
                _cleanup_free_ char *before = TAKE_PTR(names);
                (void) strprintf(&names, "%s%s%s%s%s", before, i > 0 ? " -> " : "", c->cache->name,
                                 c->instance ? " " : "", strempty(c->instance));
        }
        if (!names)
                return error_origin(-ENOMEM);
        return refuse(p, p->plan->caches[members[0]].cache->line, "dependency cycle between caches: %s%s",
                      names, n > CIRCLE_SHOWN_MAX ? " -> and so on" : "");
}

static int sort_caches(Planner *p) {
        Plan *plan = p->plan;
        _cleanup_(order_freep) Order *o = NULL;
        _cleanup_free_ size_t *sequence = NULL;
        size_t n = 0;
        int r = order_new(plan->n_caches, &o);
        for (size_t i = 0; r >= 0 && i < plan->n_caches; i++)
                r = step_cache(p, o, i, declare_path);
        for (size_t i = 0; r >= 0 && i < plan->n_caches; i++)
                r = step_cache(p, o, i, connect_path);
        if (r >= 0)
                r = order_sort(o, &sequence, &n);
        if (r < 0)
                return r == -ELOOP ? refuse_circle(p, sequence, n) : r;

        PlanCache *sorted = calloc(n + 1, sizeof(*sorted));
        if (!sorted)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < n; i++)
                sorted[i] = plan->caches[sequence[i]];
        free(plan->caches);
        plan->caches = sorted;
        return 0;
}

/* FAT takes names that differ only in case for one. */
static int check_copies(Planner *p) {
        const Plan *plan = p->plan;
        _cleanup_(order_freep) Order *o = NULL;
        char path[TEMPLATE_PATH_MAX + 1];
        int r = order_new(plan->n_copies, &o);
        for (size_t i = 0; r >= 0 && i < plan->n_copies; i++) {
                const PlanCopy *c = &plan->copies[i];
                size_t other = 0;
                r = expand(p, c->copy->line, c->copy->from, c->instance, path);
                if (r >= 0)
                        r = check_foreign(p, c->copy->line, path);
                if (r >= 0)
                        r = expand(p, c->copy->line, c->copy->to, c->instance, path);
                if (r < 0)
                        return r;
                for (char *s = path; *s; s++)
                        *s = (char) tolower((unsigned char) *s);
                r = order_declare(o, i, &(OrderPath){ORDER_OUTPUT, NULL, path}, &other);
                if (r == -EEXIST)
                        return refuse(p, c->copy->line,
                                      "%.100s on the helper would be written for %s and for %s, line %u",
                                      path, c->instance ? c->instance : "this copy",
                                      plan->copies[other].instance ? plan->copies[other].instance
                                                                   : "the copy",
                                      plan->copies[other].copy->line);
        }
        return r;
}

int plan_new(const Walk *walk, const Manifest *manifest, const DefinitionSet *definitions, Plan **ret,
             char **reterr) {
        _cleanup_(planner_done) Planner p = {
                .walk = walk, .manifest = manifest, .definitions = definitions, .reterr = reterr};
        p.plan = calloc(1, sizeof(*p.plan));
        if (!p.plan)
                return error_origin(-ENOMEM);
        int r = read_machine_id(&p);
        if (r >= 0)
                r = add_all(&p);
        if (r >= 0)
                r = sort_caches(&p);
        if (r >= 0)
                r = check_copies(&p);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p.plan);
        return 0;
}
