/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The only answer to "is it fresh?". It is determined in two steps: from the fingerprint alone, which is all
 * that most scans need, and only if that differs from the files of the stamp one by one, to say what
 * differs. */

#include "freshness/freshness.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/path.h"
#include "freshness/explain.h"
#include "freshness/learnedcheck.h"
#include "freshness/outputcheck.h"
#include "freshness/sight.h"
#include "freshness/survey.h"

/* STAMP has some fingerprint: is it this one? */
static bool stamp_has_fingerprint(const Stamp *stamp, const Fingerprint *now) {
        Fingerprint before;
        const char *hex = stamp_get(stamp, "fingerprint");
        assert(hex);
        return fingerprint_from_hex(hex, &before) >= 0 && fingerprint_equal(&before, now);
}

/* 1: the stamp HEAD is of the same builder. */
static int stamp_has_builder(const Stamp *head, const Subject *subject) {
        _cleanup_free_ char *builder = NULL;
        int r = subject_describe_builder(subject, &builder);
        return r < 0 ? r : streq_ptr(stamp_get(head, "builder"), builder);
}

/* Compares the present state, whose fingerprint is in F, with the stamp HEAD (NULL: none). */
static int compare_with_head(const Subject *subject, const Stamp *head, Freshness *f) {
        const Helper *helper = subject->helper;
        if (!head && !subject_needs_stamp(subject))
                return 0;
        if (!head || !stamp_get(head, "fingerprint"))
                return finding_note(f, DIFFERENCE_NEVER, NULL, NULL);
        if (helper && !streq_ptr(stamp_get(head, "filesystem"), helper->fs_uuid))
                return finding_note(f, DIFFERENCE_FILESYSTEM, NULL, NULL);
        int r = helper ? 1 : stamp_has_builder(head, subject);
        if (r < 0)
                return r;
        if (r == 0)
                return finding_note(f, DIFFERENCE_BUILDER, subject->cache->definition->name, NULL);
        return stamp_has_fingerprint(head, &f->now) ? 0 : explain_difference(subject, f);
}

static int freshness_of(const Subject *subject, Freshness *ret) {
        const FreshnessContext *c = subject->context;
        _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
        _cleanup_(stamp_freep) Stamp *head = NULL;
        _cleanup_(survey_done) Survey survey = {};
        int r = survey_start(&survey, c, c->arm, NULL);
        if (r >= 0)
                r = survey_subject(&survey, subject);
        if (r >= 0)
                r = subject_read_head(subject, &head);
        if (r < 0)
                return r;
        f = survey.finding;
        survey.finding = FRESHNESS_NULL;
        if (f.difference == DIFFERENCE_NONE) {
                f.now = hasher_digest(survey.hasher);
                r = compare_with_head(subject, head, &f);
        }
        if (r >= 0 && subject->cache)
                r = head ? learned_compare(subject, head, &f) : free_and_strdup(&f.unlearned, "never built");
        if (r >= 0 && subject->cache)
                r = outputs_compare(subject, head, &f);
        if (r < 0)
                return r;
        *ret = f;
        f = FRESHNESS_NULL;
        return 0;
}

int freshness_of_cache(const FreshnessContext *c, const PlanCache *cache, Freshness *ret) {
        assert(c && cache && ret);
        return freshness_of(&(Subject){.context = c, .cache = cache}, ret);
}

int freshness_of_helper(const FreshnessContext *c, const Helper *helper, Freshness *ret) {
        assert(c && helper && ret);
        return freshness_of(&(Subject){.context = c, .helper = helper}, ret);
}

/* A survey that fills a stamp. */
typedef struct Stamping {
        Survey survey;
        Stamp *stamp;
} Stamping;

static void stamping_done(Stamping *s) {
        survey_done(&s->survey);
        s->stamp = stamp_free(s->stamp);
}

static int stamp_visited_entry(const WalkEntry *entry, void *userdata) {
        Stamping *s = userdata;
        survey_hash_entry(&s->survey, entry);
        _cleanup_free_ char *path = escape_word(entry->path), *description = NULL;
        _cleanup_free_ char *target = entry->target ? escape_word(entry->target) : NULL;
        if (!path || (entry->target && !target))
                return error_origin(-ENOMEM);
        int r = fingerprint_describe(entry, s->survey.context->trust_ctime, &description);
        return r < 0 ? r
                     : stamp_add_file(s->stamp, "%s %s%s%s", path, description, target ? " " : "",
                                      strempty(target));
}

static int stamping_add_fingerprint(Stamping *s, const Subject *subject) {
        _cleanup_free_ char *builder = NULL;
        char hex[FINGERPRINT_HEX_MAX];
        Fingerprint f = hasher_digest(s->survey.hasher);
        int r = stamp_add(s->stamp, "fingerprint", "%s", fingerprint_to_hex(&f, hex));
        if (r < 0 || !subject->cache)
                return r;
        r = subject_describe_builder(subject, &builder);
        return r < 0 ? r : stamp_add(s->stamp, "builder", "%s", builder);
}

static int missing_or(int r) {
        return r == -ENOTDIR ? error_origin(-ENOENT) : r;
}

static int make_stamp(const Subject *subject, Stamp **ret, char **ret_missing) {
        _cleanup_(stamping_done) Stamping s = {.stamp = stamp_new()};
        const Visitor visitor = {stamp_visited_entry, &s};
        if (!s.stamp)
                return error_origin(-ENOMEM);
        int r = survey_start(&s.survey, subject->context, subject->context->arm, &visitor);
        if (r >= 0)
                r = survey_subject(&s.survey, subject);
        if (r >= 0 && s.survey.finding.difference != DIFFERENCE_NONE) {
                assert(s.survey.error < 0);
                if (ret_missing)
                        *ret_missing = TAKE_PTR(s.survey.finding.path);
                return missing_or(s.survey.error);
        }
        if (r >= 0)
                r = stamping_add_fingerprint(&s, subject);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s.stamp);
        return 0;
}

int freshness_stamp_cache(const FreshnessContext *c, const PlanCache *cache, Stamp **ret,
                          char **ret_missing) {
        assert(c && cache && ret);
        return make_stamp(&(Subject){.context = c, .cache = cache}, ret, ret_missing);
}

int freshness_stamp_helper(const FreshnessContext *c, const Helper *helper, Stamp **ret, char **ret_missing) {
        assert(c && helper && ret);
        return make_stamp(&(Subject){.context = c, .helper = helper}, ret, ret_missing);
}

int freshness_stamp_outputs(const FreshnessContext *c, const PlanCache *cache, Stamp *stamp,
                            char **ret_missing) {
        assert(c && cache && stamp);
        return missing_or(outputs_record(&(Subject){.context = c, .cache = cache}, stamp, ret_missing));
}

static bool is_written_by_a_cache(const Manifest *manifest, const char *template) {
        for (size_t i = 0; i < manifest->n_caches; i++)
                for (char **o = manifest->caches[i].outputs; *o; o++)
                        if (path_meets(*o, template))
                                return true;
        return false;
}

/* Every path is added to the fingerprint, with what is there or the fact that nothing is. */
static int survey_unwritten(Survey *s, const Manifest *manifest, const char *template, const char *instance) {
        if (is_written_by_a_cache(manifest, template))
                return 0;
        int r = survey_path(s, template, instance, true);
        return finding_is_shortage(r) ? r : 0;
}

/* May PATH be what TEMPLATE stands for, of some instance? */
static bool may_be_output(const char *template, const char *path) {
        size_t n = strcspn(template, "%");
        const char *last = strrchr(template, '%');
        if (!last)
                return path_is_at_or_above(template, path);
        const char *rest = last[1] ? last + 2 : last + 1;
        return strncmp(template, path, n) == 0 && strlen(path) >= n + strlen(rest) &&
               streq(path + strlen(path) - strlen(rest), rest);
}

static bool may_be_written_by_a_cache(const Manifest *manifest, const char *path) {
        for (size_t i = 0; i < manifest->n_caches; i++)
                for (char **o = manifest->caches[i].outputs; *o; o++)
                        if (may_be_output(*o, path))
                                return true;
        return false;
}

/* Of all that was learned of the caches, how it is now. */
typedef struct LearnedSurvey {
        const Manifest *manifest;
        Hasher *hasher;
} LearnedSurvey;

static int hash_sight(const Sight *sight, void *userdata) {
        const LearnedSurvey *s = userdata;
        const char *path = sight->item->words[0];
        if (may_be_written_by_a_cache(s->manifest, path))
                return 0;
        hasher_update_string(s->hasher, path);
        hasher_update_string(s->hasher, sight->stx.stx_mask != 0 ? strempty(sight->now) : "missing");
        return 0;
}

static int survey_learned(const FreshnessContext *c, const PlanCache *cache, LearnedSurvey *s) {
        const Subject subject = {.context = c, .cache = cache};
        _cleanup_(stamp_freep) Stamp *head = NULL;
        _cleanup_(learned_done) Learned list = LEARNED_NULL;
        int r = subject_read_head(&subject, &head);
        if (r >= 0 && head)
                r = learned_read(head, &list);
        return r < 0 ? r : sights_visit(&subject, &list, NULL, &(SightVisitor){hash_sight, s});
}

static int survey_all_learned(const FreshnessContext *c, const Manifest *manifest, Hasher *h) {
        StampRoom room = STAMP_ROOM_FULL;
        FreshnessContext bounded = *c;
        LearnedSurvey s = {.manifest = manifest, .hasher = h};
        int r = 0;
        bounded.room = &room;
        for (size_t i = 0; r >= 0 && i < c->plan->n_caches; i++)
                r = survey_learned(&bounded, &c->plan->caches[i], &s);
        return r;
}

int freshness_of_sources(const FreshnessContext *c, const Manifest *manifest, Fingerprint *ret) {
        const Plan *plan = c->plan;
        _cleanup_(survey_done) Survey s = {};
        assert(manifest && ret);
        int r = survey_start(&s, c, NULL, NULL);
        for (size_t i = 0; r >= 0 && i < plan->n_caches; i++) {
                const ManifestCache *cache = plan->caches[i].cache;
                const Fingerprint *builder = &plan->caches[i].definition->fingerprint;
                hasher_update(s.hasher, builder->bytes, sizeof(builder->bytes));
                for (size_t n = 0; r >= 0 && n < cache->n_sources; n++)
                        if (cache->sources[n].path)
                                r = survey_unwritten(&s, manifest, cache->sources[n].path,
                                                     plan->caches[i].instance);
        }
        for (size_t i = 0; r >= 0 && i < plan->n_copies; i++)
                r = survey_unwritten(&s, manifest, plan->copies[i].copy->from, plan->copies[i].instance);
        if (r >= 0)
                r = survey_all_learned(c, manifest, s.hasher);
        if (r < 0)
                return r;
        *ret = hasher_digest(s.hasher);
        return 0;
}
