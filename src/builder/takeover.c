/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list is played back as what a builder was seen to use. */

#include "builder/takeover.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/escape.h"
#include "builder/learning.h"
#include "freshness/finding.h"
#include "tree/contain.h"

typedef struct Takeover {
        const FreshnessContext *context;
        const PlanCache *cache;
        const PlanCache *from; /* NULL: none has a list */
        Learned list;          /* its */
        char *why_not;         /* what we built was not learned from either; NULL: there is no such thing */
        struct timespec written;
} Takeover;

static void takeover_done(Takeover *t) {
        learned_done(&t->list);
        free(t->why_not);
}

static bool was_written_later(const struct stat *st, const struct timespec *than) {
        return st->st_mtim.tv_sec != than->tv_sec ? st->st_mtim.tv_sec > than->tv_sec
                                                  : st->st_mtim.tv_nsec > than->tv_nsec;
}

/* When the stamp of PC was written. */
static int stat_stamp(const FreshnessContext *c, const PlanCache *pc, struct stat *ret) {
        _cleanup_close_ int stamps = -EBADF;
        _cleanup_free_ char *name = NULL;
        int r = contain_open_nolinks(c->root->state_fd, "/caches", O_RDONLY | O_DIRECTORY, 0, &stamps);
        if (r >= 0)
                r = stamp_name(pc->cache->name, pc->instance, &name);
        if (r >= 0 && fstatat(stamps, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
                r = error_origin(-errno);
        return r;
}

/* Takes the list of PC, if it has one. */
static int takeover_try(Takeover *t, const PlanCache *pc) {
        const Subject subject = {.context = t->context, .cache = pc};
        _cleanup_(stamp_freep) Stamp *head = NULL;
        _cleanup_(learned_done) Learned list = LEARNED_NULL;
        int r = subject_read_head(&subject, &head);
        if (r >= 0 && head)
                r = learned_read(head, &list);
        if (r >= 0 && streq_ptr(list.how, "no"))
                r = free_and_strdup(&t->why_not, strempty(list.detail));
        if (r < 0 || !list.complete)
                return r;
        learned_done(&t->list);
        t->list = list;
        list = LEARNED_NULL;
        t->from = pc;
        return 0;
}

static int takeover_choose(Takeover *t) {
        const Plan *plan = t->context->plan;
        int r = takeover_try(t, t->cache);
        for (size_t i = 0; r >= 0 && t->from != t->cache && i < plan->n_caches; i++) {
                const PlanCache *pc = &plan->caches[i];
                struct stat st;
                if (pc == t->cache || pc->cache != t->cache->cache)
                        continue;
                r = stat_stamp(t->context, pc, &st);
                if (r < 0 || (t->from && !was_written_later(&st, &t->written))) {
                        r = finding_is_shortage(r) ? r : 0;
                        continue;
                }
                r = takeover_try(t, pc);
                if (t->from == pc)
                        t->written = st.st_mtim;
        }
        return r;
}

/* PATH with NOW wherever it has BEFORE. */
static int replace_instance(const char *path, const char *before, const char *now, char **ret) {
        _cleanup_free_ char *text = strdup("");
        const char *next;
        if (!text)
                return error_origin(-ENOMEM);
        while (!isempty(before) && (next = strstr(path, before))) {
                char *longer = NULL;
                int r = strprintf(&longer, "%s%.*s%s", text, (int) (next - path), path, now);
                if (r < 0)
                        return r;
                free(text);
                text = longer;
                path = next + strlen(before);
        }
        return strprintf(ret, "%s%s", text, path);
}

static int play_back(const Takeover *t, Trace *trace) {
        static const TraceKind kinds[_LEARNED_KIND_MAX] = {
                [LEARNED_LIST] = TRACE_LISTED, [LEARNED_READ] = TRACE_READ,   [LEARNED_LINK] = TRACE_LINK,
                [LEARNED_LOOK] = TRACE_LOOKED, [LEARNED_MISS] = TRACE_ABSENT,
        };
        int r = 0;
        for (size_t i = 0; r >= 0 && i < t->list.n_items; i++) {
                const LearnedItem *item = &t->list.items[i];
                _cleanup_free_ char *path = NULL;
                r = replace_instance(item->words[0], t->from->instance, strempty(t->cache->instance), &path);
                if (r >= 0)
                        r = trace_add(trace, path, kinds[item->kind]);
        }
        trace_finish(trace);
        return r;
}

static int takeover_write(const Takeover *t, const struct timespec *began, Stamp *stamp) {
        _cleanup_(trace_done) Trace trace = {.began = *began};
        _cleanup_free_ char *instance = escape_word(t->from->instance ? t->from->instance : "-"), *how = NULL;
        if (!instance)
                return error_origin(-ENOMEM);
        int r = strprintf(&how, "from %s", instance);
        if (r >= 0)
                r = play_back(t, &trace);
        if (r < 0)
                return r;
        const Learning learning = {
                .context = t->context, .cache = t->cache, .trace = &trace, .how = how, .before = &t->list};
        return learning_record(&learning, stamp);
}

/* Where we have built and learned nothing we will not do so next time either. */
static int takeover_write_nothing(const Takeover *t, Stamp *stamp) {
        assert(t->cache && !t->from);
        if (t->cache->definition->learn == LEARN_NO)
                return learning_record_nothing(stamp, LEARNING_NOT_ASKED_FOR);
        return t->why_not ? learning_record_nothing(stamp, t->why_not)
                          : stamp_add(stamp, "learned", "wanted");
}

int takeover_record(const FreshnessContext *c, const PlanCache *cache, const struct timespec *began,
                    Stamp *stamp) {
        assert(c && cache && began && stamp);
        _cleanup_(takeover_done) Takeover t = {.context = c, .cache = cache};
        int r = cache->definition->learn == LEARN_NO ? 0 : takeover_choose(&t);
        if (r < 0)
                return r;
        return t.from ? takeover_write(&t, began, stamp) : takeover_write_nothing(&t, stamp);
}
