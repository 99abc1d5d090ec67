/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The metadata that goes into the new stamp is taken first and the content read after that, at least one tick
 * of the clock later than any change before: whatever changes from then on differs from it. */

#include "builder/sameness.h"

#include <time.h>

#include "base/error.h"
#include "base/escape.h"
#include "builder/contentcheck.h"
#include "builder/learning.h"
#include "builder/learningrace.h"
#include "freshness/freshness.h"

/* What was learned, and how it is now. */
typedef struct SeenAgain {
        const LearnedItem *item;
        char *now; /* NULL: as the item says */
} SeenAgain;

typedef struct Sameness {
        const Subject *subject;
        Learned list; /* of the stamp before */
        SeenAgain *seen;
        size_t n_seen;
        struct timespec began;
        ContentReading reading;
} Sameness;

static void sameness_done(Sameness *s) {
        for (size_t i = 0; i < s->n_seen; i++)
                free(s->seen[i].now);
        free(s->seen);
        learned_done(&s->list);
}

/* ---- what was learned ---- */

/* Did it change so late that a second change could hide behind the first? */
static bool sight_is_too_new(const Sameness *s, const Sight *sight) {
        return stat_is_not_older(&sight->stx, true, &s->began);
}

static bool sight_is_same(const Sameness *s, const Sight *sight, const char *content) {
        if (sight->same || sight->covered)
                return true;
        if (!sight->now || sight_is_too_new(s, sight))
                return false;
        return (sight->item->kind == LEARNED_READ || sight->item->kind == LEARNED_LOOK) &&
               content_is_same(sight->item, sight->now, content);
}

static int see_again(const Sight *sight, void *userdata) {
        Sameness *s = userdata;
        const LearnedItem *item = sight->item;
        char content[FINGERPRINT_HEX_MAX] = LEARNED_NO_CONTENT;
        int r = 0;
        if (!sight->same && item->kind == LEARNED_READ)
                r = content_of_sight(sight, &s->reading, content);
        if (r < 0)
                return r;
        if (!sight_is_same(s, sight, content))
                return 1; /* there is no need to see the rest */
        if (grow(s->seen, s->n_seen) < 0)
                return error_origin(-ENOMEM);
        char *now = NULL;
        if (sight->now && !sight->covered && !(now = strdup(sight->now)))
                return error_origin(-ENOMEM);
        s->seen[s->n_seen++] = (SeenAgain){.item = item, .now = now};
        return 0;
}

/* ---- what the manifest names ---- */

/* Does PATH have CONTENT, and has it not changed since the new stamp was begun? */
static int path_has_content(Sameness *s, const char *path, const char *content, struct statx *ret_stx) {
        char now[FINGERPRINT_HEX_MAX];
        int r = content_of_path(s->subject->context, path, &s->reading, ret_stx, now);
        if (r < 0 || ret_stx->stx_mask == 0)
                return r;
        return streq(now, content) && !stat_is_not_older(ret_stx, true, &s->began);
}

/* The words of the line `file` BEFORE and NOW, of which the first ends with the content. */
static int file_has_content(Sameness *s, char *const *before, char *const *now) {
        _cleanup_free_ char *again = NULL;
        struct statx stx;
        int r = path_has_content(s, now[0], before[2], &stx);
        if (r <= 0)
                return r;
        const WalkEntry entry = {.path = now[0], .stx = &stx};
        r = fingerprint_describe(&entry, s->subject->context->trust_ctime, &again);
        return r < 0 ? r : streq(again, now[1]);
}

/* Of one path, with descriptions that differ. A link is the same if it leads there still. */
static int words_are_same(Sameness *s, char *const *before, char *const *now) {
        if (!fingerprint_is_like(before[1], now[1]))
                return 0;
        if (now[2])
                return streq_ptr(before[2], now[2]);
        if (content_was_read(&s->list, before[0], before[1])) /* it has been seen again, and is the same */
                return 1;
        return content_is_known(before[2]) ? file_has_content(s, before, now) : 0;
}

/* The content at the end of BEFORE, the value of a line `file`, which else is NOW; NULL: it is no such line.
 */
static const char *content_behind(const char *before, const char *now) {
        const char *rest = startswith(before, now);
        return rest && *rest == ' ' && content_is_known(rest + 1) ? rest + 1 : NULL;
}

/* BEFORE is the value of a line `file`, I the line of the new stamp. 1: it is the same, and has its content.
 */
static int file_is_same(Sameness *s, const char *before, Stamp *now, size_t i) {
        _cleanup_strv_free_ char **a = NULL, **b = NULL;
        const char *value = now->lines[i].value, *content = content_behind(before, value);
        int r = 1;
        if (content)
                r = stamp_extend(now, i, content);
        if (content || streq(before, value))
                return r < 0 ? r : 1;
        r = split_words(before, &a);
        if (r >= 0)
                r = split_words(value, &b);
        if (r < 0)
                return r == -EINVAL ? 0 : r;
        if (strv_length(a) < 2 || strv_length(b) < 2 || !streq(a[0], b[0]))
                return 0;
        r = words_are_same(s, a, b);
        if (r <= 0 || b[2] || !content_is_known(a[2]))
                return r;
        r = stamp_extend(now, i, a[2]);
        return r < 0 ? r : 1;
}

/* Both are in the order in which the sources are examined. */
static int files_are_same(Sameness *s, const Stamp *before, Stamp *now) {
        size_t a = 0, b = 0;
        if (stamp_get(before, "more") || now->files_left_out > 0)
                return 0;
        for (;;) {
                const char *one = stamp_next(before, "file", &a), *other = stamp_next(now, "file", &b);
                if (!one || !other)
                        return !one && !other;
                int r = file_is_same(s, one, now, b - 1);
                if (r <= 0)
                        return r;
        }
}

/* ---- what it made ---- */

/* What is behind START in the line KEY of STAMP that begins with it; NULL: there is none. */
static const char *line_behind(const Stamp *stamp, const char *key, const char *start) {
        const char *value = stamp_find(stamp, key, start);
        return value ? value + strlen(start) : NULL;
}

/* Somebody wrote PATH, of whose line NOW and BEFORE are what follows the path: the same once more? */
static int output_is_same(Sameness *s, const char *path, const char *content, const char *before,
                          const char *now) {
        size_t size = strcspn(before, " ");
        struct statx stx;
        if (streq(before, now))
                return 1;
        if (strcspn(now, " ") != size || strncmp(before, now, size) != 0 || !content_is_known(content))
                return 0;
        return path_has_content(s, path, content, &stx);
}

static int outputs_are_same(Sameness *s, const Stamp *before, const Stamp *now) {
        _cleanup_strv_free_ char **outputs = NULL;
        int r = plan_outputs(s->subject->context->plan, s->subject->cache, &outputs);
        for (size_t i = 0; r >= 0 && outputs && outputs[i]; i++) {
                _cleanup_free_ char *word = escape_word(outputs[i]), *start = NULL;
                r = word ? strprintf(&start, "%s ", word) : error_origin(-ENOMEM);
                if (r < 0)
                        return r;
                const char *one = line_behind(before, "output", start),
                           *other = line_behind(now, "output", start);
                if (!one || !other)
                        return 0;
                r = output_is_same(s, outputs[i], line_behind(before, "content", start), one, other);
                if (r <= 0)
                        return r;
        }
        return r < 0 ? r : 1;
}

/* ---- the new stamp ---- */

static int record_seen(const SeenAgain *seen, Stamp *stamp) {
        char *const *words = seen->item->words;
        const char *key = learned_kind_to_string(seen->item->kind);
        _cleanup_free_ char *path = escape_word(words[0]);
        const char *what = seen->now ? seen->now : words[1];
        _cleanup_free_ char *now = what ? escape_word(what) : NULL;
        if (!path || (what && !now))
                return error_origin(-ENOMEM);
        return stamp_add(stamp, key, "%s%s%s%s%s", path, now ? " " : "", strempty(now),
                         seen->item->kind == LEARNED_READ ? " " : "",
                         seen->item->kind == LEARNED_READ ? words[2] : "");
}

static int copy_lines(const Stamp *from, const char *key, Stamp *stamp) {
        const char *value;
        size_t i = 0;
        int r = 0;
        while (r >= 0 && (value = stamp_next(from, key, &i)))
                r = stamp_add(stamp, key, "%s", value);
        return r;
}

static int record_again(const Sameness *s, const Stamp *before, Stamp *stamp) {
        int r = copy_lines(before, "content", stamp);
        if (r >= 0)
                r = copy_lines(before, "learned", stamp);
        for (size_t i = 0; r >= 0 && i < s->n_seen; i++)
                r = record_seen(&s->seen[i], stamp);
        return r < 0 ? r : copy_lines(before, "skip", stamp);
}

/* 1: all of it is the same. */
static int compare_all(Sameness *s, const Stamp *before, Stamp *now) {
        if (!streq_ptr(stamp_get(before, "builder"), stamp_get(now, "builder")))
                return 0;
        int r = outputs_are_same(s, before, now);
        if (r <= 0)
                return r;
        r = sights_visit(s->subject, &s->list, NULL, &(SightVisitor){see_again, s});
        return r != 0 ? MIN(r, 0) : files_are_same(s, before, now);
}

/* Where nothing is to be learned, what the manifest names is all. Where something could not be learned, what
 * has another time may have come with what is not known, so it is built. */
static bool list_tells_all(const Sameness *s) {
        const Learned *l = &s->list;
        bool nothing_wanted = s->subject->cache->definition->learn == LEARN_NO && streq_ptr(l->how, "no");
        return !l->raced && !l->damaged && (l->complete || nothing_wanted);
}

int sameness_find(const FreshnessContext *c, const PlanCache *cache, const ContentReading *reading,
                  Stamp **ret) {
        assert(c && cache && reading && ret);
        const Subject subject = {.context = c, .cache = cache};
        _cleanup_(sameness_done) Sameness s = {.subject = &subject, .reading = *reading};
        _cleanup_(stamp_freep) Stamp *before = NULL, *now = NULL;
        int r = subject_read_alone(&subject, &before);
        if (r >= 0 && before)
                r = learned_read(before, &s.list);
        if (r < 0 || !before || !list_tells_all(&s))
                return r == -ENOMEM ? r : 0;
        learning_await_tick();
        if (clock_gettime(CLOCK_REALTIME_COARSE, &s.began) < 0)
                return 0;
        r = freshness_stamp_cache(c, cache, &now, NULL);
        if (r >= 0)
                r = freshness_stamp_outputs(c, cache, now, NULL);
        if (r >= 0)
                r = compare_all(&s, before, now);
        if (r <= 0)
                return finding_is_shortage(r) ? r : 0;
        r = record_again(&s, before, now);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(now);
        return 1;
}
