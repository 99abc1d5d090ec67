/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/survey.h"

#include "base/error.h"

void survey_done(Survey *s) {
        (void) hasher_free(s->hasher);
        freshness_done(&s->finding);
        *s = (Survey){};
}

int survey_start(Survey *s, const FreshnessContext *context, const Arm *arm, const Visitor *visitor) {
        assert(s && context);
        *s = (Survey){.context = context, .arm = arm, .visitor = visitor, .hasher = hasher_new()};
        return s->hasher ? 0 : error_origin(-ENOMEM);
}

void survey_hash_entry(Survey *s, const WalkEntry *entry) {
        assert(s->hasher && s->context);
        fingerprint_add(s->hasher, entry, s->context->trust_ctime);
}

/* The visitor of a survey that needs no other. */
static int hash_visited_entry(const WalkEntry *entry, void *userdata) {
        survey_hash_entry(userdata, entry);
        return 0;
}

/* PATH could not be examined, because of R. */
static int survey_note_error(Survey *s, int r, const char *path) {
        if (s->error == 0)
                s->error = r;
        return finding_note_error(&s->finding, s->context->root->fd, r, path);
}

int survey_path(Survey *s, const char *template, const char *instance, bool may_miss) {
        const Walk walk = {.root = s->context->root->fd, .arm = s->arm};
        const Visitor hash = {hash_visited_entry, s};
        _cleanup_free_ char *path = NULL;
        assert(s->hasher && template);
        int r = plan_path(s->context->plan, template, instance, &path);
        if (r < 0)
                return r;
        r = walk_source(&walk, path, s->visitor ? s->visitor : &hash);
        if ((r == -ENOENT || r == -ENOTDIR) && may_miss) {
                hasher_update_string(s->hasher, "missing");
                hasher_update_string(s->hasher, path);
                return 0;
        }
        return r < 0 ? survey_note_error(s, r, path) : 0;
}

static int survey_sources(Survey *s, const PlanCache *cache) {
        const Definition *d = cache->definition;
        hasher_update_string(s->hasher, d->name);
        hasher_update(s->hasher, d->fingerprint.bytes, sizeof(d->fingerprint.bytes));
        int r = 0;
        for (PlanSource source = {}; r >= 0 && plan_next_source(s->context->plan, cache, &source);)
                r = survey_path(s, source.template, source.instance, source.source->optional);
        return r;
}

static int survey_copies(Survey *s, const Helper *helper) {
        const Plan *plan = s->context->plan;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < plan->n_copies; i++) {
                const PlanCopy *p = &plan->copies[i];
                _cleanup_free_ char *to = NULL;
                if (!plan_copy_is_for(p, helper->type, helper->disk_has_xbootldr))
                        continue;
                r = plan_path(plan, p->copy->to, p->instance, &to);
                if (r < 0)
                        return r;
                hasher_update_string(s->hasher, copy_role_to_string(p->copy->role));
                hasher_update_string(s->hasher, to);
                r = survey_path(s, p->copy->from, p->instance, p->copy->role == ROLE_MISC);
        }
        return r;
}

int survey_subject(Survey *s, const Subject *subject) {
        assert(s->hasher && !subject->cache != !subject->helper);
        return subject->cache ? survey_sources(s, subject->cache) : survey_copies(s, subject->helper);
}
