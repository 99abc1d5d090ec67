/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The records between the programs. The reader knows only the table below: it never guesses, and a line takes
 * effect only if all of it is valid. */

#include "base/report.h"

#include <limits.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/parse.h"
#include "base/reason.h"

#define NOTHING "-"
/* The overhead of a record on D-Bus besides its strings: their lengths and padding. */
#define RECORD_OVERHEAD 48U

Report *report_new(void) {
        return calloc(1, sizeof(Report));
}

static void report_cache_done(ReportCache *c) {
        free(c->name);
        free(c->instance);
        free(c->reason);
        *c = (ReportCache){};
}

static void report_helper_done(ReportHelper *h) {
        free(h->device);
        free(h->type);
        free(h->partuuid);
        free(h->reason);
        *h = (ReportHelper){};
}

static void report_hold_done(ReportHold *h) {
        free(h->path);
        *h = (ReportHold){};
}

void report_drop_details(Report *report) {
        assert(report);
        for (size_t i = 0; i < report->n_caches; i++)
                report_cache_done(&report->caches[i]);
        for (size_t i = 0; i < report->n_helpers; i++)
                report_helper_done(&report->helpers[i]);
        free(report->caches);
        for (size_t i = 0; i < report->n_learned; i++) {
                free(report->learned[i].cache);
                free(report->learned[i].text);
        }
        free(report->learned);
        free(report->helpers);
        report->caches = NULL;
        report->learned = NULL;
        report->helpers = NULL;
        report->n_caches = report->n_same = report->n_learned = report->n_helpers = report->bytes = 0;
}

size_t report_size(const Report *report) {
        return report ? report->bytes + (report->n_caches + report->n_helpers) * RECORD_OVERHEAD : 0;
}

Report *report_free(Report *report) {
        if (!report)
                return NULL;
        report_drop_details(report);
        for (size_t i = 0; i < report->n_holds; i++)
                report_hold_done(&report->holds[i]);
        free(report->holds);
        strv_free(report->notes);
        strv_free(report->places);
        free(report->manifest);
        free(report->sources);
        free(report->covered);
        free(report->unwatched);
        free(report->booted_text);
        free(report->client);
        free(report->reason);
        free(report->result);
        free(report);
        return NULL;
}

/* Makes a copy of S that is safe to show. */
static int take_text(char **ret, const char *s) {
        *ret = escape_print(streq(s, NOTHING) ? "" : s);
        return *ret ? 0 : error_origin(-ENOMEM);
}

static int join_words(char *const *words, char **ret) {
        size_t size = 1;
        for (size_t i = 0; words[i]; i++)
                size += strlen(words[i]) + 1;
        char *text = malloc(size), *p = text;
        if (!text)
                return error_origin(-ENOMEM);
        for (size_t i = 0; words[i]; i++)
                p = stpcpy(i > 0 ? stpcpy(p, " ") : p, words[i]);
        *p = 0;
        *ret = text;
        return 0;
}

static int take_words(char **ret, char *const *words) {
        _cleanup_free_ char *text = NULL;
        int r = join_words(words, &text);
        return r < 0 ? r : take_text(ret, text);
}

/* PATH, WHAT, and the rest is DETAIL. */
static int take_reason(char **ret, char *const *words) {
        _cleanup_free_ char *detail = NULL, *reason = NULL;
        if (!words[0])
                return take_text(ret, "");
        if (!words[1])
                return error_origin(-EBADMSG);
        int r = join_words(words + 2, &detail);
        if (r >= 0)
                r = reason_describe(&(Reason){words[0], words[1], detail}, &reason);
        return r < 0 ? r : take_text(ret, reason);
}

static int parse_number(const char *s, uint64_t max, uint64_t *ret) {
        return parse_u64_max(s, max, ret) < 0 ? error_origin(-EBADMSG) : 0;
}

/* Which of YES and NO (or OTHER, which may be NULL) S is. */
static int parse_outcome(const char *s, const char *yes, const char *no, const char *other, bool *ret) {
        if (!streq(s, yes) && !streq(s, no) && !streq_ptr(s, other))
                return error_origin(-EBADMSG);
        *ret = streq(s, yes);
        return 0;
}

static bool report_has_room(const Report *report, size_t names) {
        return report->n_caches + report->n_helpers < REPORT_RECORDS_MAX &&
               report->bytes + names <= REPORT_BYTES_MAX;
}

/* Counts one more, with names of this many bytes. Its *REASON may be dropped for that. -ENOMEM. */
static int report_count(Report *report, size_t names, char **reason) {
        if (report->bytes + names + strlen(*reason) > REPORT_BYTES_MAX / 2 && free_and_strdup(reason, "") < 0)
                return error_origin(-ENOMEM);
        report->bytes += names + strlen(*reason);
        return 0;
}

static int report_add_cache(Report *report, ReportCache *c) {
        size_t names = strlen(c->name) + strlen(c->instance);
        if (!report_has_room(report, names)) /* first: what is refused without end must not cost anything */
                return error_origin(-E2BIG);
        if (grow(report->caches, report->n_caches) < 0)
                return error_origin(-ENOMEM);
        int r = report_count(report, names, &c->reason);
        if (r < 0)
                return r;
        report->caches[report->n_caches++] = *c;
        *c = (ReportCache){};
        return 0;
}

static int report_add_helper(Report *report, ReportHelper *h) {
        size_t names = strlen(h->device) + strlen(h->type) + strlen(h->partuuid);
        if (!report_has_room(report, names))
                return error_origin(-E2BIG);
        if (grow(report->helpers, report->n_helpers) < 0)
                return error_origin(-ENOMEM);
        int r = report_count(report, names, &h->reason);
        if (r < 0)
                return r;
        report->helpers[report->n_helpers++] = *h;
        *h = (ReportHelper){};
        return 0;
}

static int parse_cache(Report *report, char *const *w) {
        _cleanup_(report_cache_done) ReportCache c = {};
        int r = parse_outcome(w[2], "fresh", "stale", NULL, &c.fresh);
        if (r >= 0)
                r = take_text(&c.name, w[0]);
        if (r >= 0)
                r = take_text(&c.instance, w[1]);
        if (r >= 0)
                r = take_reason(&c.reason, w + 3);
        return r < 0 ? r : report_add_cache(report, &c);
}

static int parse_build_outcome(const char *s, ReportCache *c) {
        static const char *const outcomes[] = {"ok", "same", "failed", "not-now"};
        for (size_t i = 0; i < ELEMENTSOF(outcomes); i++)
                if (streq(s, outcomes[i])) {
                        c->outcome = outcomes[i];
                        c->fresh = i < 2;
                        return 0;
                }
        return error_origin(-EBADMSG);
}

static int parse_built(Report *report, char *const *w) {
        _cleanup_(report_cache_done) ReportCache c = {};
        int r = parse_build_outcome(w[2], &c);
        if (r >= 0)
                r = parse_number(w[3], UINT64_MAX, &c.usec);
        if (r >= 0)
                r = take_text(&c.name, w[0]);
        if (r >= 0)
                r = take_text(&c.instance, w[1]);
        if (r >= 0)
                r = take_words(&c.reason, w + 4);
        if (r >= 0)
                r = report_add_cache(report, &c);
        if (r >= 0)
                report->n_same += streq(w[2], "same");
        return r;
}

static int take_helper(ReportHelper *h, char *const *w) {
        int r = take_text(&h->device, w[0]);
        if (r >= 0)
                r = take_text(&h->type, w[1]);
        return r < 0 ? r : take_text(&h->partuuid, w[2]);
}

static int parse_helper(Report *report, char *const *w) {
        _cleanup_(report_helper_done) ReportHelper h = {};
        int r = parse_outcome(w[3], "fresh", "stale", NULL, &h.fresh);
        if (r >= 0)
                r = take_helper(&h, w);
        if (r >= 0)
                r = take_reason(&h.reason, w + 4);
        return r < 0 ? r : report_add_helper(report, &h);
}

static int parse_updated(Report *report, char *const *w) {
        _cleanup_(report_helper_done) ReportHelper h = {};
        int r = parse_outcome(w[3], "ok", "failed", NULL, &h.fresh);
        if (r >= 0)
                r = parse_number(w[4], UINT64_MAX, &h.bytes);
        if (r >= 0)
                r = take_helper(&h, w);
        if (r >= 0)
                r = take_words(&h.reason, w + 5);
        return r < 0 ? r : report_add_helper(report, &h);
}

static int parse_watches(Report *report, char *const *w) {
        uint64_t n;
        int r = parse_number(w[0], UINT_MAX, &n);
        if (r >= 0)
                report->watches = (unsigned) n;
        return r;
}

static int parse_hold(Report *report, char *const *w) {
        _cleanup_(report_hold_done) ReportHold h = {};
        int r = parse_outcome(w[2], "exists", "locked", NULL, &h.exists);
        if (r >= 0)
                r = parse_locked_file(w[1], &h.devno, &h.inode) < 0 ? error_origin(-EBADMSG) : 0;
        if (r >= 0 && report->n_holds >= REPORT_HOLDS_MAX)
                r = error_origin(-E2BIG);
        if (r >= 0)
                r = take_text(&h.path, w[0]);
        if (r >= 0 && grow(report->holds, report->n_holds) < 0)
                r = error_origin(-ENOMEM);
        if (r < 0)
                return r;
        report->holds[report->n_holds++] = h;
        h = (ReportHold){};
        return 0;
}

static int parse_note(Report *report, char *const *w) {
        char *text = NULL;
        if (strv_length(report->notes) >= REPORT_NOTES_MAX)
                return error_origin(-E2BIG);
        int r = take_words(&text, w);
        return r < 0 ? r : strv_push(&report->notes, text);
}

/* Unescaped: it is compared with paths, and never shown. */
static int parse_place(Report *report, char *const *w) {
        _cleanup_free_ char *path = NULL;
        if (*w[0] != '/')
                return error_origin(-EBADMSG);
        if (strv_length(report->places) >= REPORT_PLACES_MAX)
                return error_origin(-E2BIG);
        int r = join_words(w, &path);
        return r < 0 ? r : strv_push(&report->places, TAKE_PTR(path));
}

static int report_add_learned(Report *report, const char *cache, ReportLearned **ret) {
        ReportLearned l = {};
        for (size_t i = 0; i < report->n_learned; i++)
                if (streq(report->learned[i].cache, cache)) {
                        *ret = &report->learned[i];
                        return 0;
                }
        if (report->n_learned >= REPORT_LEARNED_MAX)
                return error_origin(-E2BIG);
        l = (ReportLearned){strdup(cache), strdup("yes")};
        if (!l.cache || !l.text || grow(report->learned, report->n_learned) < 0) {
                free(l.cache);
                free(l.text);
                return error_origin(-ENOMEM);
        }
        report->learned[report->n_learned++] = l;
        *ret = &report->learned[report->n_learned - 1];
        return 0;
}

static int replace_learned(ReportLearned *l, char *const *w) {
        _cleanup_free_ char *why = NULL, *instance = NULL;
        char *text = NULL;
        int r = take_words(&why, w + 3);
        if (r >= 0)
                r = take_text(&instance, w[1]);
        if (r >= 0)
                r = strprintf(&text, "no%s%s%s%s", *why ? ": " : "", *why ? instance : "",
                              *why && *instance ? ": " : "", why);
        if (r < 0)
                return r;
        free(l->text);
        l->text = text;
        return 0;
}

static int parse_learned(Report *report, char *const *w) {
        _cleanup_free_ char *cache = NULL;
        ReportLearned *l = NULL;
        bool yes;
        int r = parse_outcome(w[2], "yes", "no", NULL, &yes);
        if (r >= 0)
                r = take_text(&cache, w[0]);
        if (r >= 0)
                r = report_add_learned(report, cache, &l);
        return r < 0 || yes || !streq(l->text, "yes") ? r : replace_learned(l, w);
}

/* The cache is that of the record before. */
static int parse_covered(Report *report, char *const *w) {
        _cleanup_free_ char *path = NULL;
        if (report->n_covered >= report->n_caches)
                return error_origin(-EBADMSG);
        int r = take_words(&path, w);
        if (r >= 0 && !report->covered)
                r = strprintf(&report->covered, "a mount covers %s", path);
        if (r >= 0)
                report->n_covered++;
        return r;
}

static int parse_progress(Report *report, char *const *w) {
        uint64_t done, of;
        int r = parse_number(w[0], UINT64_MAX, &done);
        if (r >= 0)
                r = parse_number(w[1], UINT64_MAX, &of);
        if (r < 0)
                return r;
        report->progress_done = done;
        report->progress_of = of;
        return 0;
}

static int parse_waiting(Report *report, char *const *w) {
        if (!streq(w[0], "yes") && !streq(w[0], "no"))
                return error_origin(-EBADMSG);
        report->waiting = streq(w[0], "yes");
        return 0;
}

static int replace_words(char **p, char *const *words) {
        char *text = NULL;
        int r = take_words(&text, words);
        if (r < 0)
                return r;
        free(*p);
        *p = text;
        return 0;
}

static int parse_booted(Report *report, char *const *w) {
        BootedState state = booted_state_from_string(w[0]);
        if ((int) state < 0 || (state != BOOTED_CURRENT && isempty(w[1])))
                return error_origin(-EBADMSG);
        int r = replace_words(&report->booted_text, w + 1);
        if (r >= 0)
                report->booted = state;
        return r;
}

static int parse_uncover(Report *report, char *const *w) {
        if (*w[0] != '/')
                return error_origin(-EBADMSG);
        report->uncover = true;
        return 0;
}

static int parse_manifest(Report *report, char *const *w) {
        return replace_words(&report->manifest, w);
}

static int parse_sources(Report *report, char *const *w) {
        return replace_words(&report->sources, w);
}

static int parse_unwatched(Report *report, char *const *w) {
        return replace_words(&report->unwatched, w);
}

static int parse_locked(Report *report, char *const *w) {
        return replace_words(&report->client, w);
}

static int parse_reason(Report *report, char *const *w) {
        return replace_words(&report->reason, w);
}

static int parse_result(Report *report, char *const *w) {
        static const char *const results[] = {"fresh",   "stale",  "none",    "refused",           "error",
                                              "success", "failed", "not-now", REPORT_RESULT_LOCKED};
        for (size_t i = 0; i < ELEMENTSOF(results); i++)
                if (streq(w[0], results[i]))
                        return replace_words(&report->result, w);
        return error_origin(-EBADMSG);
}

static const struct {
        const char *key;
        size_t min, max; /* words after the key */
        int (*parse)(Report *report, char *const *words);
} records[] = {
        {"MANIFEST", 1, SIZE_MAX, parse_manifest},
        {"CACHE", 3, SIZE_MAX, parse_cache},
        {"LEARNED", 3, SIZE_MAX, parse_learned},
        {"HELPER", 4, SIZE_MAX, parse_helper},
        {"SOURCES", 1, 1, parse_sources},
        {"WATCHES", 1, 1, parse_watches},
        {"UNWATCHED", 1, SIZE_MAX, parse_unwatched},
        {"BOOTED", 1, SIZE_MAX, parse_booted},
        {"UNCOVER", 1, 1, parse_uncover},
        {"HOLD", 3, 3, parse_hold},
        {"PLACE", 1, SIZE_MAX, parse_place},
        {"NOTE", 1, SIZE_MAX, parse_note},
        {"BUILT", 4, SIZE_MAX, parse_built},
        {"UPDATED", 5, SIZE_MAX, parse_updated},
        {"COVERED", 1, SIZE_MAX, parse_covered},
        {"PROGRESS", 2, 2, parse_progress},
        {"WAITING", 1, 1, parse_waiting},
        {"LOCKED", 1, 1, parse_locked},
        {"REASON", 1, SIZE_MAX, parse_reason},
        {"RESULT", 1, 1, parse_result},
};

bool report_is_of_nothing(const Report *report) {
        return report && report->n_same > 0 && report->n_same == report->n_caches && report->n_helpers == 0;
}

const char *report_cover(const Report *report) {
        size_t stale = 0;
        for (size_t i = 0; report && i < report->n_caches; i++)
                stale += !report->caches[i].fresh;
        return report && report->n_covered > 0 && report->n_covered >= stale ? report->covered : NULL;
}

int report_parse_line(Report *report, const char *line) {
        assert(report && line);
        _cleanup_strv_free_ char **words = NULL;
        size_t n = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n == 0 || line[n] != ' ' || strlen(line) > REPORT_LINE_MAX)
                return error_origin(-EBADMSG);
        for (size_t i = 0; i < ELEMENTSOF(records); i++) {
                if (strlen(records[i].key) != n || !startswith(line, records[i].key))
                        continue;
                int r = split_words(line + n + 1, &words);
                if (r < 0)
                        return r == -EINVAL ? error_origin(-EBADMSG) : r;
                size_t count = strv_length(words);
                if (count < records[i].min || count > records[i].max)
                        return error_origin(-EBADMSG);
                r = records[i].parse(report, words);
                report->signs_of_life += r >= 0;
                return r;
        }
        return 0;
}
