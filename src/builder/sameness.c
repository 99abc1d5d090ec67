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
#include "freshness/outputcheck.h"

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
                r = content_of_sight(sight, content);
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

/* The item that FILE, a line of the stamp before, was read as. */
static bool file_was_read(const Sameness *s, const char *path, const char *description) {
        const LearnedItem *item = learned_find(&s->list, LEARNED_READ, path);
        /* it has been seen again, and is the same */
        return item && streq(item->words[1], description) && !streq(item->words[2], LEARNED_NO_CONTENT);
}

/* A link is the same if it leads there still. */
static bool link_is_same(char *const *before, char *const *now) {
        unsigned changes = fingerprint_difference(before[1], now[1]);
        return before[2] && streq_ptr(before[2], now[2]) && changes != CHANGE_REPLACED &&
               (changes & (CHANGE_MODE | CHANGE_OWNER)) == 0;
}

/* BEFORE and NOW are the values of lines `file`. */
static int file_is_same(const Sameness *s, const char *before, const char *now) {
        _cleanup_strv_free_ char **a = NULL, **b = NULL;
        if (streq(before, now))
                return 1;
        int r = split_words(before, &a);
        if (r >= 0)
                r = split_words(now, &b);
        if (r < 0)
                return r == -EINVAL ? 0 : r;
        if (strv_length(a) < 2 || strv_length(b) < 2 || !streq(a[0], b[0]))
                return 0;
        return a[2] ? link_is_same(a, b) : !b[2] && file_was_read(s, a[0], a[1]);
}

/* Both are in the order in which the sources are examined. */
static int files_are_same(const Sameness *s, const Stamp *before, const Stamp *now) {
        size_t a = 0, b = 0;
        if (stamp_get(before, "more") || now->files_left_out > 0)
                return 0;
        for (;;) {
                const char *one = stamp_next(before, "file", &a), *other = stamp_next(now, "file", &b);
                if (!one || !other)
                        return !one && !other;
                int r = file_is_same(s, one, other);
                if (r <= 0)
                        return r;
        }
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
        int r = copy_lines(before, "output", stamp);
        if (r >= 0)
                r = copy_lines(before, "learned", stamp);
        for (size_t i = 0; r >= 0 && i < s->n_seen; i++)
                r = record_seen(&s->seen[i], stamp);
        return r < 0 ? r : copy_lines(before, "skip", stamp);
}

/* Is it of the same builder, and are the outputs as that left them? */
static int rest_is_same(const Sameness *s, const Stamp *before, const Stamp *now) {
        _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
        if (!streq_ptr(stamp_get(before, "builder"), stamp_get(now, "builder")))
                return 0;
        int r = outputs_compare(s->subject, before, &f);
        return r < 0 ? r : f.difference == DIFFERENCE_NONE;
}

/* 1: all of it is the same. */
static int compare_all(Sameness *s, const Stamp *before, const Stamp *now) {
        int r = rest_is_same(s, before, now);
        if (r <= 0)
                return r;
        r = sights_visit(s->subject, &s->list, NULL, &(SightVisitor){see_again, s});
        return r != 0 ? MIN(r, 0) : files_are_same(s, before, now);
}

int sameness_find(const FreshnessContext *c, const PlanCache *cache, Stamp **ret) {
        assert(c && cache && ret);
        const Subject subject = {.context = c, .cache = cache};
        _cleanup_(sameness_done) Sameness s = {.subject = &subject};
        _cleanup_(stamp_freep) Stamp *before = NULL, *now = NULL;
        int r = subject_read_whole(&subject, &before);
        if (r >= 0 && before)
                r = learned_read(before, &s.list);
        if (r < 0 || !before || !s.list.complete || s.list.raced)
                return r == -ENOMEM ? r : 0;
        learning_await_tick();
        if (clock_gettime(CLOCK_REALTIME_COARSE, &s.began) < 0)
                return 0;
        r = freshness_stamp_cache(c, cache, &now, NULL);
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
