/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/learning.h"

#include <time.h>

#include "base/error.h"
#include "base/escape.h"
#include "builder/candidates.h"
#include "builder/contentcheck.h"
#include "builder/learningrace.h"
#include "builder/run/clockset.h"
#include "freshness/sight.h"

/* What a stamp and a scan have room for, and more than any builder that we know needs. */
#define LIST_LINES_MAX 32768U
#define LIST_BYTES_MAX (2U * 1024U * 1024U)
#define RACED_MAX 16U

typedef struct Recording {
        const Learning *l;
        LearningRace race;
        Stamp *lines; /* in a stamp of their own until it is known that they are not too many */
        unsigned n_raced;
} Recording;

int learning_record_nothing(Stamp *stamp, const char *why) {
        _cleanup_free_ char *words = escape_word(why);
        return words ? stamp_add(stamp, "learned", "no %s", words) : error_origin(-ENOMEM);
}

static bool is_too_much(const Stamp *lines) {
        return lines->n_lines > LIST_LINES_MAX || lines->size > LIST_BYTES_MAX;
}

static int record_raced(Recording *rec, const char *word) {
        return rec->n_raced++ < RACED_MAX ? stamp_add(rec->lines, "raced", "%s", word) : 0;
}

static int record_item(Recording *rec, const Sight *sight, const char *word, const char *content) {
        LearnedKind kind = sight->item->kind;
        const char *key = learned_kind_to_string(kind);
        if (kind == LEARNED_MISS)
                return stamp_add(rec->lines, key, "%s", word);
        _cleanup_free_ char *now = escape_word(sight->now);
        if (!now)
                return error_origin(-ENOMEM);
        return kind == LEARNED_READ ? stamp_add(rec->lines, key, "%s %s %s", word, now, content)
                                    : stamp_add(rec->lines, key, "%s %s", word, now);
}

/* Unchanged since it was last learned: then its content need not be read again. */
static int find_content(const Recording *rec, const Sight *sight, char ret[static FINGERPRINT_HEX_MAX]) {
        const LearnedItem *before = learned_find(rec->l->before, LEARNED_READ, sight->item->words[0]);
        (void) stpcpy(ret, LEARNED_NO_CONTENT);
        if (sight->item->kind != LEARNED_READ || !sight->now)
                return 0;
        if (!before || !streq(before->words[1], sight->now) ||
            strlen(before->words[2]) >= FINGERPRINT_HEX_MAX)
                return content_of_sight(sight, rec->l->reading, ret);
        (void) stpcpy(ret, before->words[2]);
        return 0;
}

/* What was made and went is nothing that it was made from. */
static int record_sight(const Sight *sight, void *userdata) {
        Recording *rec = userdata;
        char content[FINGERPRINT_HEX_MAX];
        int r = find_content(rec, sight, content);
        if (r < 0 || is_too_much(rec->lines))
                return r;
        _cleanup_free_ char *word = escape_word(sight->item->words[0]);
        if (!word)
                return error_origin(-ENOMEM);
        if (learning_has_raced(&rec->race, sight, content))
                r = record_raced(rec, word);
        if (r < 0)
                return r;
        bool is_there = sight->item->kind == LEARNED_MISS ? sight->same : sight->now != NULL;
        return is_there ? record_item(rec, sight, word, content) : 0;
}

static int record_skipped(const Candidates *c, Stamp *lines) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < c->n_skipped; i++) {
                _cleanup_free_ char *word = escape_word(c->skipped[i].path);
                r = word ? stamp_add(lines, "skip", "%s %s", word, c->skipped[i].why) : error_origin(-ENOMEM);
        }
        return r;
}

static int append_lines(Stamp *stamp, const Stamp *lines) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < lines->n_lines; i++)
                r = stamp_add(stamp, lines->lines[i].key, "%s", lines->lines[i].value);
        return r;
}

static int record_list(const Learning *l, const Subject *subject, Candidates *c, Stamp *lines) {
        Recording rec = {.l = l,
                         .race = {.subject = subject,
                                  .trace = l->trace,
                                  .candidates = c,
                                  .before = l->before,
                                  .since = clockset_earliest(&l->trace->began, l->trace->clock)},
                         .lines = lines};
        int r = streq(l->how, "opens") ? candidates_add_links(c, l->context->root->fd) : 0;
        if (r >= 0)
                r = stamp_add(lines, "learned", "%s", l->how);
        if (r >= 0)
                r = sights_visit(subject, &c->list, NULL, &(SightVisitor){record_sight, &rec});
        return r < 0 ? r : record_skipped(c, lines);
}

int learning_record(const Learning *l, Stamp *stamp) {
        assert(l->context && l->cache && l->trace && l->how && l->before && stamp);
        _cleanup_(candidates_done) Candidates c = CANDIDATES_NULL;
        _cleanup_(stamp_freep) Stamp *lines = stamp_new();
        const Subject subject = {.context = l->context, .cache = l->cache};
        if (!lines)
                return error_origin(-ENOMEM);
        if (l->trace->incomplete)
                return learning_record_nothing(stamp, l->trace->incomplete);
        int r = candidates_choose(&subject, l->trace, &c);
        if (r >= 0)
                r = record_list(l, &subject, &c, lines);
        if (r < 0)
                return r;
        return is_too_much(lines)
                       ? learning_record_nothing(stamp, "it was made from more than a stamp can hold")
                       : append_lines(stamp, lines);
}

/* The coarse clock is behind the fine one by up to one tick and what the next tick comes late; some file
 * systems use one, some the other: so it is two steps. */
void learning_await_tick(void) {
        struct timespec last, now;
        if (clock_gettime(CLOCK_REALTIME_COARSE, &last) < 0)
                return;
        for (unsigned steps = 0; steps < 2;) {
                (void) nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
                if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0)
                        return;
                steps += now.tv_sec != last.tv_sec || now.tv_nsec != last.tv_nsec;
                last = now;
        }
}
