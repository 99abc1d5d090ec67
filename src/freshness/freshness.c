/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one answer to "is it fresh?". It is given in two steps: the fingerprint alone, which is all that most
 * scans need, and only if that differs the files of the stamp one by one, to say what is different.
 *
 * All sources and outputs are looked at, and so armed, even when the first is missing already: whichever
 * changes next must call for a scan. */

#include "freshness/freshness.h"

#include <assert.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/path.h"
#include "base/reason.h"
#include "freshness/since.h"
#include "tree/contain.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* what a stamp says of single files, at most */
#define FILE_LINES_MAX 250000U
#define FILE_BYTES_MAX (32U * 1024U * 1024U)

void freshness_done(Freshness *f) {
        free(f->path);
        free(f->detail);
        *f = FRESHNESS_NULL;
}

char *freshness_describe(const Freshness *f) {
        char *text = NULL;
        return reason_describe(&(Reason){f->path, difference_to_string(f->difference), f->detail}, &text) < 0
                       ? NULL
                       : text;
}

/* The first verdict counts. PATH and DETAIL may be NULL. */
static int judge(Freshness *f, Difference difference, const char *path, const char *detail) {
        if (f->difference != DIFFERENCE_NONE)
                return 0;
        int r = free_and_strdup(&f->path, path);
        if (r >= 0)
                r = free_and_strdup(&f->detail, detail);
        if (r < 0)
                return r;
        f->difference = difference;
        return 0;
}

/* Errors of the program, not of the path that was looked at. E2BIG and ENOSPC come from the watches. */
static bool is_fatal(int r) {
        return r == -ENOMEM || r == -ENOSPC || r == -E2BIG || r == -EMFILE || r == -ENFILE;
}

/* PATH is not there, and since when that is known at the latest. */
static int judge_absence(const FreshnessContext *c, Freshness *f, Difference difference, const char *path) {
        _cleanup_free_ char *detail = NULL;
        struct statx_timestamp when = {};
        int r = since_absence(c->root->fd, path, &when);
        if (r >= 0)
                r = reason_detail_gone(&when, &detail);
        return is_fatal(r) ? r : judge(f, difference, path, detail);
}

static int judge_error(const FreshnessContext *c, Freshness *f, int r, const char *path) {
        if (r >= 0 || is_fatal(r))
                return r;
        if (r == -ENOENT || r == -ENOTDIR)
                return judge_absence(c, f, DIFFERENCE_MISSING, path);
        return judge(f, DIFFERENCE_UNREADABLE, path, reason_detail_unreadable(r));
}

/* One look at all that goes into a fingerprint. */
typedef struct Look {
        const FreshnessContext *context;
        const Arm *arm;
        Hasher *hasher;
        Stamp *stamp; /* gets the lines `file`, or NULL */
        size_t n_files, n_bytes;
        Visitor visitor;
        Freshness verdict;
        int error; /* behind MISSING and UNREADABLE */
} Look;

static void look_done(Look *l) {
        (void) hasher_free(l->hasher);
        freshness_done(&l->verdict);
        *l = (Look){};
}

static int look_start(Look *l, const FreshnessContext *c, const Arm *arm, const Visitor *visitor) {
        *l = (Look){.context = c, .arm = arm, .visitor = *visitor, .hasher = hasher_new()};
        return l->hasher ? 0 : error_origin(-ENOMEM);
}

static int add_file_line(Look *l, const WalkEntry *entry) {
        if (l->n_files++ >= FILE_LINES_MAX || l->n_bytes >= FILE_BYTES_MAX)
                return 0;
        _cleanup_free_ char *path = escape_word(entry->path), *description = NULL;
        _cleanup_free_ char *target = entry->target ? escape_word(entry->target) : NULL;
        if (!path || (entry->target && !target))
                return error_origin(-ENOMEM);
        int r = fingerprint_describe(entry, l->context->trust_ctime, &description);
        if (r < 0)
                return r;
        l->n_bytes += strlen(path) + strlen(description) + strlen(strempty(target));
        return stamp_add(l->stamp, "file", "%s %s%s%s", path, description, target ? " " : "",
                         strempty(target));
}

/* The entry function of a look that is to become a stamp or a fingerprint. */
static int hash_entry(const WalkEntry *entry, void *userdata) {
        Look *l = userdata;
        fingerprint_add(l->hasher, entry, l->context->trust_ctime);
        return l->stamp ? add_file_line(l, entry) : 0;
}

/* PATH could not be looked at, by R: an outcome, unless the program itself is in trouble. */
static int look_failed(Look *l, int r, const char *path) {
        if (l->error == 0)
                l->error = r;
        return judge_error(l->context, &l->verdict, r, path);
}

/* Looks at what the template PATH names. If it may be missing, its absence is part of the fingerprint. */
static int look_at(Look *l, const char *template, const char *instance, bool may_miss) {
        const FreshnessContext *c = l->context;
        _cleanup_free_ char *path = NULL;
        int r = plan_path(c->plan, template, instance, &path);
        if (r < 0)
                return look_failed(l, r, template);
        r = walk_source(&(Walk){c->root->fd, l->arm}, path, &l->visitor);
        if ((r == -ENOENT || r == -ENOTDIR) && may_miss) {
                hasher_update_string(l->hasher, "missing");
                hasher_update_string(l->hasher, path);
                return 0;
        }
        return r < 0 ? look_failed(l, r, path) : 0;
}

static int look_at_sources(Look *l, const PlanCache *cache) {
        const Definition *b = cache->definition;
        hasher_update_string(l->hasher, b->name);
        hasher_update(l->hasher, b->fingerprint.bytes, sizeof b->fingerprint.bytes);
        int r = 0;
        for (size_t i = 0; r >= 0 && i < cache->cache->n_sources; i++) {
                const ManifestSource *s = &cache->cache->sources[i];
                r = look_at(l, s->path, cache->instance, s->optional);
        }
        return r;
}

static int look_at_copies(Look *l, const Helper *helper) {
        const Plan *plan = l->context->plan;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < plan->n_copies; i++) {
                const PlanCopy *p = &plan->copies[i];
                _cleanup_free_ char *to = NULL;
                if (!plan_copy_is_for(p, helper->type, helper->disk_has_xbootldr))
                        continue;
                r = plan_path(plan, p->copy->to, p->instance, &to);
                if (r < 0)
                        return look_failed(l, r, p->copy->to);
                hasher_update_string(l->hasher, copy_role_to_string(p->copy->role));
                hasher_update_string(l->hasher, to);
                r = look_at(l, p->copy->from, p->instance, p->copy->role == ROLE_MISC);
        }
        return r;
}

/* What is looked at: CACHE, or HELPER where that is NULL. */
static int look(Look *l, const PlanCache *cache, const Helper *helper) {
        return cache ? look_at_sources(l, cache) : look_at_copies(l, helper);
}

/* A file as a stamp knows it. */
typedef struct Known {
        char **words; /* path, description and maybe target */
        bool seen;
        UT_hash_handle hh;
} Known;

/* The search for the first difference, in byte order of paths. */
typedef struct Search {
        const FreshnessContext *context;
        Known *known, *by_path;
        size_t n_known;
        bool complete; /* the stamp has a line for every file */
        Freshness first;
        unsigned changes;             /* of `first`, of Change */
        struct statx_timestamp since; /* likewise, unless it is gone */
} Search;

static void search_done(Search *s) {
        HASH_CLEAR(hh, s->by_path);
        for (size_t i = 0; i < s->n_known; i++)
                strv_free(s->known[i].words);
        free(s->known);
        freshness_done(&s->first);
}

static size_t count_files(const Stamp *stamp) {
        size_t n = 0, i = 0;
        while (stamp_next(stamp, "file", &i))
                n++;
        return n;
}

static int search_learn(Search *s, const char *value) {
        Known *k = &s->known[s->n_known], *other = NULL;
        int r = split_words(value, &k->words);
        if (r < 0)
                return r == -EINVAL ? 0 : r; /* a damaged line: the file will count as new */
        s->n_known++;
        if (strv_length(k->words) < 2)
                return 0;
        HASH_FIND_STR(s->by_path, k->words[0], other);
        if (other)
                return 0; /* one file of two sources */
        HASH_ADD_KEYPTR(hh, s->by_path, k->words[0], strlen(k->words[0]), k);
        return k->hh.tbl ? 0 : error_origin(-ENOMEM);
}

static int search_start(Search *s, const FreshnessContext *c, const Stamp *stamp) {
        size_t i = 0, n = count_files(stamp);
        *s = (Search){.context = c, .complete = !stamp_get(stamp, "more")};
        s->known = calloc(n + 1, sizeof(Known));
        int r = s->known ? 0 : error_origin(-ENOMEM);
        const char *value;
        while (r >= 0 && (value = stamp_next(stamp, "file", &i)))
                r = search_learn(s, value);
        return r;
}

/* CHANGES are of Change. STX is of what is there, NULL where nothing is. */
static int search_found(Search *s, Difference difference, const char *path, unsigned changes,
                        const struct statx *stx) {
        if (s->first.difference != DIFFERENCE_NONE && strcmp(s->first.path, path) <= 0)
                return 0;
        s->first.difference = DIFFERENCE_NONE;
        s->changes = changes;
        if (stx)
                s->since = stx->stx_ctime;
        return judge(&s->first, difference, path, NULL);
}

/* The visitor of a search. */
static int search_entry(const WalkEntry *entry, void *userdata) {
        Search *s = userdata;
        _cleanup_free_ char *now = NULL;
        Known *k = NULL;
        HASH_FIND_STR(s->by_path, entry->path, k);
        if (!k)
                return s->complete ? search_found(s, DIFFERENCE_NEW, entry->path, 0, entry->stx) : 0;
        k->seen = true;
        if (!streq(strempty(k->words[2]), strempty(entry->target)))
                return search_found(s, DIFFERENCE_CHANGED, entry->path, CHANGE_TARGET, entry->stx);
        int r = fingerprint_describe(entry, s->context->trust_ctime, &now);
        if (r < 0 || streq(now, k->words[1]))
                return r;
        return search_found(s, DIFFERENCE_CHANGED, entry->path, fingerprint_difference(k->words[1], now),
                            entry->stx);
}

static int search_gone(Search *s) {
        int r = 0;
        for (Known *k = s->by_path; r >= 0 && k; k = k->hh.next)
                if (!k->seen)
                        r = search_found(s, DIFFERENCE_GONE, k->words[0], 0, NULL);
        return r;
}

/* PATH of the stamp was not looked at. If it is there all the same, it is only named no more. */
static int judge_gone(const Search *s, const char *path, const char *list, Freshness *f) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *detail = NULL;
        if (contain_open(s->context->root->fd, path, O_PATH | O_NOFOLLOW, 0, &fd) < 0)
                return judge_absence(s->context, f, DIFFERENCE_GONE, path);
        int r = reason_detail_unlisted(list, &detail);
        return r < 0 ? r : judge(f, DIFFERENCE_GONE, path, detail);
}

/* The first difference, with since when it is so. Where ctime is not to be trusted nothing tells that. */
static int judge_found(const Search *s, const char *list, Freshness *f) {
        _cleanup_free_ char *detail = NULL;
        if (s->first.difference == DIFFERENCE_GONE)
                return judge_gone(s, s->first.path, list, f);
        int r = reason_detail_changed(s->changes, s->context->trust_ctime ? &s->since : NULL, &detail);
        return r < 0 ? r : judge(f, s->first.difference, s->first.path, detail);
}

/* Finds out what is other than the stamp says. Nothing: what is looked at is the same, but not in its order
 * or for another purpose, or it is one of those that had no place in the stamp. */
static int explain_by(const FreshnessContext *c, const Stamp *stamp, const PlanCache *cache,
                      const Helper *helper, Freshness *f) {
        _cleanup_(search_done) Search s = {};
        _cleanup_(look_done) Look l = {};
        const char *list = cache ? REASON_LIST_OF_SOURCES : REASON_LIST_OF_COPIES;
        int r = search_start(&s, c, stamp);
        if (r >= 0)
                r = look_start(&l, c, NULL, &(Visitor){search_entry, &s});
        if (r >= 0)
                r = look(&l, cache, helper);
        if (r >= 0)
                r = search_gone(&s);
        if (r < 0)
                return r;
        if (s.first.difference == DIFFERENCE_NONE)
                return judge(f, DIFFERENCE_CHANGED, s.complete ? list : REASON_BEYOND_STAMP, NULL);
        return judge_found(&s, list, f);
}

/* An output as it is now. */
typedef struct Output {
        Hasher *hasher;
        bool seen, directory, trust_ctime;
        uint64_t size;
        struct statx_timestamp mtime, ctime;
        char *line; /* the value of its line in the stamp */
} Output;

static void output_done(Output *o) {
        (void) hasher_free(o->hasher);
        free(o->line);
        *o = (Output){};
}

static int output_entry(const WalkEntry *entry, void *userdata) {
        Output *o = userdata;
        if (!o->seen && !entry->target) { /* behind the links on the way */
                o->seen = true;
                o->directory = S_ISDIR(entry->stx->stx_mode);
                o->size = entry->stx->stx_size;
                o->mtime = entry->stx->stx_mtime;
                o->ctime = entry->stx->stx_ctime;
        }
        fingerprint_add(o->hasher, entry, o->trust_ctime);
        return 0;
}

static int output_look(const FreshnessContext *c, const char *path, Output *o) {
        _cleanup_free_ char *word = escape_word(path);
        char hex[FINGERPRINT_HEX_MAX];
        *o = (Output){.hasher = hasher_new(), .trust_ctime = c->trust_ctime};
        if (!o->hasher || !word)
                return error_origin(-ENOMEM);
        int r = walk_source(&(Walk){c->root->fd, c->arm}, path, &(Visitor){output_entry, o});
        if (r < 0)
                return r;
        Fingerprint f = hasher_digest(o->hasher);
        if (o->directory)
                return strprintf(&o->line, "%s %s -", word, fingerprint_to_hex(&f, hex));
        return strprintf(&o->line, "%s %llu %lld.%09u", word, (unsigned long long) o->size,
                         (long long) o->mtime.tv_sec, o->mtime.tv_nsec);
}

/* In what the lines BEFORE and NOW of one output differ, of Change; 0: in what is in a directory. */
static unsigned output_difference(const char *before, const char *now) {
        const char *a = strrchr(before, ' '), *b = strrchr(now, ' ');
        bool size = a - before != b - now || memcmp(before, now, (size_t) (b - now)) != 0;
        if (streq(a, " -") || streq(b, " -"))
                return streq(a, b) ? 0 : CHANGE_REPLACED;
        return (size ? CHANGE_SIZE : 0) | (streq(a, b) ? 0 : CHANGE_MTIME);
}

/* The ctime of a directory says nothing of what is in it. */
static const struct statx_timestamp *output_since(const Output *o) {
        return o->trust_ctime && !o->directory ? &o->ctime : NULL;
}

static int judge_changed_output(Freshness *f, const Output *o, const char *before, const char *path) {
        _cleanup_free_ char *detail = NULL;
        int r = reason_detail_rebuilt(output_difference(before, o->line), output_since(o), &detail);
        return r < 0 ? r : judge(f, DIFFERENCE_CHANGED, path, detail);
}

static int judge_new_output(Freshness *f, const Output *o, const char *path) {
        _cleanup_free_ char *detail = NULL;
        int r = reason_detail_changed(0, output_since(o), &detail);
        return r < 0 ? r : judge(f, DIFFERENCE_NEW, path, detail);
}

/* Compares an output with its line in the stamp. */
static int judge_output(Freshness *f, const Stamp *stamp, const char *path, const Output *now) {
        size_t i = 0, n = strcspn(now->line, " ") + 1;
        const char *value;
        while (stamp && (value = stamp_next(stamp, "output", &i))) {
                if (strncmp(value, now->line, n) != 0)
                        continue;
                return streq(value, now->line) ? 0 : judge_changed_output(f, now, value, path);
        }
        return judge_new_output(f, now, path);
}

static int look_at_outputs(const FreshnessContext *c, const PlanCache *cache, const Stamp *stamp,
                           Freshness *f) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < cache->cache->n_outputs; i++) {
                const char *template = cache->cache->outputs[i];
                _cleanup_(output_done) Output now = {};
                _cleanup_free_ char *path = NULL;
                r = plan_path(c->plan, template, cache->instance, &path);
                if (r >= 0)
                        r = output_look(c, path, &now);
                r = r < 0 ? judge_error(c, f, r, path ? path : template) : judge_output(f, stamp, path, &now);
        }
        return r;
}

static int open_stamps(const Root *root, const char *directory, int *ret_fd) {
        if (root->state_fd < 0)
                return error_origin(-ENOENT);
        return contain_open_nolinks(root->state_fd, directory, O_RDONLY | O_DIRECTORY, 0, ret_fd);
}

/* Reads the stamp of CACHE (or HELPER). One that cannot be read means "stale", so it is as good as none:
 * *RET is NULL then. */
static int read_stamp(const Root *root, const PlanCache *cache, const Helper *helper, bool head,
                      Stamp **ret) {
        _cleanup_free_ char *name = NULL;
        _cleanup_close_ int fd = -EBADF;
        assert(cache || helper);
        int r = stamp_name(cache ? cache->cache->name : helper->partuuid, cache ? cache->instance : NULL,
                           &name);
        if (r >= 0)
                r = open_stamps(root, cache ? "/caches" : "/helpers", &fd);
        if (r >= 0)
                r = head ? stamp_read_head(fd, name, ret) : stamp_read(fd, name, ret);
        return is_fatal(r) ? r : 0;
}

static bool stamp_matches(const Stamp *stamp, const Fingerprint *now) {
        Fingerprint before;
        const char *hex = stamp_get(stamp, "fingerprint");
        return hex && fingerprint_from_hex(hex, &before) >= 0 && fingerprint_equal(&before, now);
}

/* `builder NAME HEX` */
static int describe_builder(const Definition *b, char **ret) {
        char hex[FINGERPRINT_HEX_MAX];
        _cleanup_free_ char *name = escape_word(b->name);
        return name ? strprintf(ret, "%s %s", name, fingerprint_to_hex(&b->fingerprint, hex))
                    : error_origin(-ENOMEM);
}

/* A helper for which there is nothing needs no stamp. */
static bool helper_carries(const Plan *plan, const Helper *helper) {
        for (size_t i = 0; i < plan->n_copies; i++)
                if (plan_copy_is_for(&plan->copies[i], helper->type, helper->disk_has_xbootldr))
                        return true;
        return false;
}

/* Says why the stamp does not match. Whoever wrote it, it can be more than we have memory for: then only that
 * is not known. */
static int explain(const FreshnessContext *c, const PlanCache *cache, const Helper *helper, Freshness *f) {
        _cleanup_(stamp_freep) Stamp *whole = NULL;
        int r = read_stamp(c->root, cache, helper, false, &whole);
        if (r >= 0)
                r = whole ? explain_by(c, whole, cache, helper, f) : judge(f, DIFFERENCE_NEVER, NULL, NULL);
        return r == -ENOMEM ? judge(f, DIFFERENCE_CHANGED, REASON_SOMETHING, NULL) : r;
}

/* Compares with the stamp HEAD what was looked at in L. */
static int judge_stamp(const FreshnessContext *c, const Stamp *head, const PlanCache *cache,
                       const Helper *helper, Freshness *f) {
        _cleanup_free_ char *builder = NULL;
        if (!head && helper && !helper_carries(c->plan, helper))
                return 0;
        if (!head || !stamp_get(head, "fingerprint"))
                return judge(f, DIFFERENCE_NEVER, NULL, NULL);
        if (helper && !streq_ptr(stamp_get(head, "filesystem"), helper->fs_uuid))
                return judge(f, DIFFERENCE_FILESYSTEM, NULL, NULL);
        int r = cache ? describe_builder(cache->definition, &builder) : 0;
        if (r < 0)
                return r;
        if (cache && !streq_ptr(stamp_get(head, "builder"), builder))
                return judge(f, DIFFERENCE_BUILDER, cache->definition->name, NULL);
        return stamp_matches(head, &f->now) ? 0 : explain(c, cache, helper, f);
}

static int freshness_of(const FreshnessContext *c, const PlanCache *cache, const Helper *helper,
                        Freshness *ret) {
        _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
        _cleanup_(stamp_freep) Stamp *head = NULL;
        _cleanup_(look_done) Look l = {};
        int r = look_start(&l, c, c->arm, &(Visitor){hash_entry, &l});
        if (r >= 0)
                r = look(&l, cache, helper);
        if (r >= 0)
                r = read_stamp(c->root, cache, helper, true, &head);
        if (r < 0)
                return r;
        f = l.verdict;
        l.verdict = FRESHNESS_NULL;
        if (f.difference == DIFFERENCE_NONE) {
                f.now = hasher_digest(l.hasher);
                r = judge_stamp(c, head, cache, helper, &f);
        }
        if (r >= 0 && cache)
                r = look_at_outputs(c, cache, head, &f);
        if (r < 0)
                return r;
        *ret = f;
        f = FRESHNESS_NULL;
        return 0;
}

int freshness_of_cache(const FreshnessContext *c, const PlanCache *cache, Freshness *ret) {
        return freshness_of(c, cache, NULL, ret);
}

int freshness_of_helper(const FreshnessContext *c, const Helper *helper, Freshness *ret) {
        return freshness_of(c, NULL, helper, ret);
}

static int finish_stamp(const Look *l, const PlanCache *cache, Stamp *stamp) {
        _cleanup_free_ char *builder = NULL;
        char hex[FINGERPRINT_HEX_MAX];
        Fingerprint f = hasher_digest(l->hasher);
        int r = stamp_add(stamp, "fingerprint", "%s", fingerprint_to_hex(&f, hex));
        if (r >= 0 && cache)
                r = describe_builder(cache->definition, &builder);
        if (r >= 0 && cache)
                r = stamp_add(stamp, "builder", "%s", builder);
        size_t n = count_files(stamp);
        if (r >= 0 && l->n_files > n)
                r = stamp_add(stamp, "more", "%zu", l->n_files - n);
        return r;
}

static int make_stamp(const FreshnessContext *c, const PlanCache *cache, const Helper *helper, Stamp **ret,
                      char **ret_missing) {
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        _cleanup_(look_done) Look l = {};
        if (!stamp)
                return error_origin(-ENOMEM);
        int r = look_start(&l, c, c->arm, &(Visitor){hash_entry, &l});
        l.stamp = stamp;
        if (r >= 0)
                r = look(&l, cache, helper);
        if (r >= 0 && l.verdict.difference != DIFFERENCE_NONE) {
                if (ret_missing)
                        *ret_missing = TAKE_PTR(l.verdict.path);
                return l.error == -ENOTDIR ? error_origin(-ENOENT) : l.error;
        }
        if (r >= 0)
                r = finish_stamp(&l, cache, stamp);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(stamp);
        return 0;
}

int freshness_stamp_cache(const FreshnessContext *c, const PlanCache *cache, Stamp **ret,
                          char **ret_missing) {
        return make_stamp(c, cache, NULL, ret, ret_missing);
}

int freshness_stamp_helper(const FreshnessContext *c, const Helper *helper, Stamp **ret, char **ret_missing) {
        return make_stamp(c, NULL, helper, ret, ret_missing);
}

int freshness_stamp_outputs(const FreshnessContext *c, const PlanCache *cache, Stamp *stamp,
                            char **ret_missing) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < cache->cache->n_outputs; i++) {
                _cleanup_(output_done) Output now = {};
                _cleanup_free_ char *path = NULL;
                r = plan_path(c->plan, cache->cache->outputs[i], cache->instance, &path);
                if (r >= 0)
                        r = output_look(c, path, &now);
                if (r >= 0)
                        r = stamp_add(stamp, "output", "%s", now.line);
                else if (ret_missing && path && !is_fatal(r))
                        *ret_missing = TAKE_PTR(path);
        }
        return r == -ENOTDIR ? error_origin(-ENOENT) : r;
}

static bool is_written(const Manifest *manifest, const char *template) {
        for (size_t i = 0; i < manifest->n_caches; i++)
                for (char **o = manifest->caches[i].outputs; *o; o++)
                        if (path_meets(*o, template))
                                return true;
        return false;
}

/* Every path is put to the fingerprint with what is there, or that nothing is. */
static int look_at_source(Look *l, const Manifest *manifest, const char *template, const char *instance) {
        if (is_written(manifest, template))
                return 0;
        int r = look_at(l, template, instance, true);
        return is_fatal(r) ? r : 0;
}

int freshness_of_sources(const FreshnessContext *c, const Manifest *manifest, Fingerprint *ret) {
        const Plan *plan = c->plan;
        _cleanup_(look_done) Look l = {};
        int r = look_start(&l, c, NULL, &(Visitor){hash_entry, &l});
        for (size_t i = 0; r >= 0 && i < plan->n_caches; i++) {
                const ManifestCache *cache = plan->caches[i].cache;
                const Fingerprint *builder = &plan->caches[i].definition->fingerprint;
                hasher_update(l.hasher, builder->bytes, sizeof(builder->bytes));
                for (size_t n = 0; r >= 0 && n < cache->n_sources; n++)
                        r = look_at_source(&l, manifest, cache->sources[n].path, plan->caches[i].instance);
        }
        for (size_t i = 0; r >= 0 && i < plan->n_copies; i++)
                r = look_at_source(&l, manifest, plan->copies[i].copy->from, plan->copies[i].instance);
        if (r < 0)
                return r;
        *ret = hasher_digest(l.hasher);
        return 0;
}
