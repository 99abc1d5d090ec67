/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/sourcelist.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/report.h"
#include "freshness/finding.h"
#include "freshness/sight.h"

#define RECORD_BYTES 32U /* of a record, besides its words */

typedef struct SourceList {
        const FreshnessContext *context;
        FILE *f;
        const PlanCache *cache; /* the one at hand */
        const char *how;
        size_t bytes;
        size_t left_out;
} SourceList;

typedef struct SourceLine {
        const char *kind, *path, *how;
        uint64_t size;
} SourceLine;

static int source_list_put(SourceList *l, const SourceLine *line) {
        const char *instance = l->cache->instance ? l->cache->instance : "-";
        char size[24];
        l->bytes += RECORD_BYTES + strlen(l->cache->cache->name) + strlen(instance) + strlen(line->path) +
                    strlen(line->how);
        if (l->bytes > SOURCE_LIST_BYTES_MAX) {
                l->left_out++;
                return 0;
        }
        (void) snprintf(size, sizeof(size), "%" PRIu64, line->size);
        return report_print(l->f, "SOURCE", l->cache->cache->name, instance, line->kind, line->path, size,
                            line->how, NULL);
}

/* ---- named ---- */

typedef struct SourceSum {
        const char *kind; /* NULL: not seen */
        uint64_t size;
} SourceSum;

static int add_to_sum(const WalkEntry *entry, void *userdata) {
        SourceSum *sum = userdata;
        mode_t mode = entry->stx->stx_mode;
        if (S_ISREG(mode))
                sum->size += entry->stx->stx_size;
        if (!sum->kind || streq(sum->kind, "link")) /* links on the way come before what they lead to */
                sum->kind = S_ISLNK(mode) ? "link" : S_ISDIR(mode) ? "folder" : "file";
        return 0;
}

static int source_list_put_named(SourceList *l, const PlanSource *source) {
        const Walk walk = {.root = l->context->root->fd};
        _cleanup_free_ char *path = NULL, *how = NULL;
        SourceSum sum = {};
        int r = plan_path(l->context->plan, source->template, source->instance, &path);
        if (r >= 0)
                r = walk_source(&walk, path, &(Visitor){add_to_sum, &sum});
        if (r < 0 && (!path || finding_is_shortage(r)))
                return r;
        const char *kind = r < 0 || !sum.kind ? "missing" : sum.kind;
        r = source->source->cache ? strprintf(&how, "named as cache %s", source->source->cache)
                                  : strprintf(&how, "named");
        return r < 0 ? r : source_list_put(l, &(SourceLine){kind, path, how, sum.size});
}

/* ---- learned ---- */

static int source_list_put_sight(const Sight *sight, void *userdata) {
        static const char *const kinds[_LEARNED_KIND_MAX] = {
                [LEARNED_LIST] = "listed", [LEARNED_READ] = "file",   [LEARNED_LINK] = "link",
                [LEARNED_LOOK] = "looked", [LEARNED_MISS] = "absent",
        };
        SourceList *l = userdata;
        bool sized = (sight->item->kind == LEARNED_READ || sight->item->kind == LEARNED_LOOK) &&
                     sight->stx.stx_mask != 0;
        return source_list_put(l, &(SourceLine){kinds[sight->item->kind], sight->item->words[0], l->how,
                                                sized ? sight->stx.stx_size : 0});
}

/* VALUE of a line `skip`: a path, and why it does not count. */
static int source_list_put_skipped(SourceList *l, const char *value) {
        _cleanup_strv_free_ char **words = NULL;
        _cleanup_free_ char *how = NULL;
        int r = split_words(value, &words);
        if (r < 0 || strv_length(words) < 2)
                return r == -ENOMEM ? r : 0;
        r = strprintf(&how, "left out: %s", words[1]);
        return r < 0 ? r : source_list_put(l, &(SourceLine){"skipped", words[0], how, 0});
}

static int source_list_put_list(SourceList *l, const Subject *subject, const Stamp *head) {
        _cleanup_(learned_done) Learned list = LEARNED_NULL;
        _cleanup_free_ char *how = NULL;
        const char *value, *why = NULL;
        size_t i = 0;
        int r = learned_read(head, &list);
        if (r < 0)
                return r;
        why = learned_why_not(head, &list);
        r = strprintf(&how, "learned: %s%s%s", strempty(list.how), list.detail ? " " : "",
                      strempty(list.detail));
        l->how = strempty(how);
        if (r >= 0 && !why)
                r = sights_visit(subject, &list, NULL, &(SightVisitor){source_list_put_sight, l});
        while (r >= 0 && (value = stamp_next(head, "skip", &i)))
                r = source_list_put_skipped(l, value);
        return r < 0 ? r
                     : report_print(l->f, "LEARNED", l->cache->cache->name,
                                    l->cache->instance ? l->cache->instance : "-", why ? "no" : "yes", why,
                                    NULL);
}

static int source_list_put_learned(SourceList *l) {
        const Subject subject = {.context = l->context, .cache = l->cache};
        _cleanup_(stamp_freep) Stamp *head = NULL;
        int r = subject_read_head(&subject, &head);
        if (r < 0)
                return r;
        if (head)
                return source_list_put_list(l, &subject, head);
        return report_print(l->f, "LEARNED", l->cache->cache->name,
                            l->cache->instance ? l->cache->instance : "-", "no", "never built", NULL);
}

static int source_list_put_cache(SourceList *l) {
        int r = 0;
        for (PlanSource s = {}; r >= 0 && plan_next_source(l->context->plan, l->cache, &s);)
                r = source_list_put_named(l, &s);
        return r < 0 ? r : source_list_put_learned(l);
}

static int source_list_say_left_out(const SourceList *l) {
        char text[64];
        if (l->left_out == 0)
                return 0;
        (void) snprintf(text, sizeof(text), "%zu more %s not shown", l->left_out,
                        l->left_out == 1 ? "is" : "are");
        return report_print(l->f, "SOURCE", "-", "-", "more", "", "0", text, NULL);
}

int source_list_print(const FreshnessContext *c, const char *name, FILE *f) {
        SourceList l = {.context = c, .f = f};
        bool any = isempty(name);
        int r = 0;
        assert(c && f);
        for (size_t i = 0; r >= 0 && i < c->plan->n_caches; i++) {
                l.cache = &c->plan->caches[i];
                if (!isempty(name) && !streq(l.cache->cache->name, name))
                        continue;
                any = true;
                r = source_list_put_cache(&l);
        }
        if (r >= 0)
                r = any ? source_list_say_left_out(&l) : error_origin(-ENOENT);
        return r;
}
