/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/bootline.h"

#include "base/error.h"
#include "base/path.h"
#include "base/report.h"
#include "freshness/recordlines.h"

/* Which copy of the manifest puts what on a helper. */
typedef struct CopyMap {
        NameMap map;       /* PlanCopy by its `to` */
        StrvBuilder names; /* that the map borrows */
} CopyMap;

static void copy_map_done(CopyMap *m) {
        name_map_done(&m->map);
        strv_builder_done(&m->names);
}

static int copy_map_fill(CopyMap *m, const Plan *plan) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < plan->n_copies; i++) {
                char *path = NULL;
                r = plan_path(plan, plan->copies[i].copy->to, plan->copies[i].instance, &path);
                if (r >= 0)
                        r = strv_builder_push(&m->names, path);
                if (r >= 0)
                        r = name_map_put(&m->map, path, &plan->copies[i]);
        }
        return r;
}

/* TO is that of a copy, or below it where a directory is copied; NULL: the manifest no longer names it. */
static int copy_map_find(const CopyMap *m, const char *to, const PlanCopy **ret) {
        _cleanup_free_ char *path = strdup(to);
        if (!path)
                return error_origin(-ENOMEM);
        const PlanCopy *copy = name_map_get(&m->map, path);
        while (!copy && path_cut_last(path))
                copy = name_map_get(&m->map, path);
        *ret = copy;
        return 0;
}

static int fill_instances(const CopyMap *m, BootedHelpers *helpers) {
        const CarriedSet *carried = &helpers->record.carried;
        helpers->instances = calloc(carried->n + 1, sizeof(*helpers->instances));
        if (!helpers->instances)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < carried->n; i++) {
                const PlanCopy *copy = NULL;
                int r = copy_map_find(m, carried->items[i].to, &copy);
                if (r < 0)
                        return r;
                helpers->instances[i] = copy ? copy->instance : "";
        }
        return 0;
}

/* Takes the files that MORE lists. */
static int record_merge(HelperRecord *record, HelperRecord *more) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < more->carried.n; i++)
                r = carried_set_add(&record->carried, &more->carried.items[i]);
        for (size_t i = 0; r >= 0 && i < more->kept.n; i++)
                r = kept_set_add(&record->kept, &more->kept.items[i]);
        return r;
}

/* One that cannot be read lists nothing. */
static int add_record_of(const FreshnessContext *c, const Helper *helper, HelperRecord *record) {
        _cleanup_(stamp_freep) Stamp *stamp = NULL;
        _cleanup_(helper_record_done) HelperRecord more = HELPER_RECORD_NULL;
        int r = subject_read_head(&(Subject){.context = c, .helper = helper}, &stamp);
        if (r < 0 || !stamp)
                return r;
        r = record_lines_read(stamp, &more);
        return r < 0 ? (r == -ENOMEM ? r : 0) : record_merge(record, &more);
}

/* The helpers that may have started the machine. */
typedef struct Suspects {
        const FreshnessContext *context;
        const HelperList *helpers;
        const BootFacts *facts;
        CopyMap copies;
        const Helper **items;
        size_t n;
} Suspects;

static void suspects_done(Suspects *s) {
        copy_map_done(&s->copies);
        free(s->items);
}

/* A boot loader is on an ESP. A disk that has another one, which is no helper, is told by its XBOOTLDR
 * partition. */
static bool may_have_started(const Suspects *s, const Helper *helper) {
        if (s->facts->partuuid)
                return streq(s->facts->partuuid, helper->partuuid);
        for (size_t i = 0; helper->type != HELPER_ESP && i < s->helpers->n; i++)
                if (s->helpers->items[i].type == HELPER_ESP && streq(s->helpers->items[i].disk, helper->disk))
                        return false;
        return true;
}

static int suspects_find(Suspects *s) {
        for (size_t i = 0; i < s->helpers->n; i++) {
                const Helper *h = &s->helpers->items[i];
                if (!may_have_started(s, h))
                        continue;
                if (grow(s->items, s->n) < 0)
                        return error_origin(-ENOMEM);
                s->items[s->n++] = h;
        }
        return 0;
}

/* The boot loader reads the partition that it is on, and XBOOTLDR partitions of that disk. */
static bool is_read_from(const Helper *helper, const Helper *suspect) {
        return helper == suspect || (helper->type == HELPER_XBOOTLDR && streq(helper->disk, suspect->disk));
}

static int judge_suspect(const Suspects *s, const Helper *suspect, Booted *ret) {
        _cleanup_(booted_helpers_done) BootedHelpers helpers = {};
        int r = 0;
        for (size_t i = 0; r >= 0 && i < s->helpers->n; i++)
                if (is_read_from(&s->helpers->items[i], suspect))
                        r = add_record_of(s->context, &s->helpers->items[i], &helpers.record);
        if (r >= 0)
                r = fill_instances(&s->copies, &helpers);
        return r < 0 ? r : booted_judge(s->facts, &helpers, ret);
}

/* "sda1", "sda1 and sdb1" */
static int describe_suspects(const Suspects *s, char **ret) {
        _cleanup_free_ char *text = NULL;
        for (size_t i = 0; i < s->n; i++) {
                char *longer = NULL;
                int r = strprintf(&longer, "%s%s%s", strempty(text), text ? " and " : "",
                                  s->items[i]->device);
                if (r < 0)
                        return r;
                free(text);
                text = longer;
        }
        *ret = TAKE_PTR(text);
        return 0;
}

static int say_unknown(const Suspects *s, Booted *ret) {
        const char *told = s->facts->partuuid;
        _cleanup_free_ char *names = NULL;
        ret->state = BOOTED_UNKNOWN;
        if (s->n == 0)
                return strprintf(&ret->text,
                                 "the boot loader is on the partition %s, which is no helper of this volume",
                                 told);
        int r = describe_suspects(s, &names);
        if (r < 0)
                return r;
        return told ? strprintf(&ret->text, "%s have the same partition UUID %s", names, told)
                    : strprintf(&ret->text, "the boot loader did not tell which of %s it was read from",
                                names);
}

static bool is_of_the_past(const Booted *booted) {
        return booted->state == BOOTED_REPLACED || booted->state == BOOTED_PREVIOUS;
}

/* Takes VERDICT, and says what it is about. */
static int say_verdict(const Suspects *s, Booted *verdict, Booted *ret) {
        _cleanup_free_ char *names = NULL;
        int r = describe_suspects(s, &names);
        if (r >= 0 && verdict->text)
                r = strprintf(&ret->text, "%s: %s", names, verdict->text);
        ret->state = verdict->state;
        return r;
}

/* Which helper it was makes no difference if the machine was booted from the past by each. */
static int judge_suspects(const Suspects *s, Booted *ret) {
        _cleanup_(booted_done) Booted common = BOOTED_NULL;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < s->n; i++) {
                _cleanup_(booted_done) Booted one = BOOTED_NULL;
                r = judge_suspect(s, s->items[i], &one);
                if (r >= 0 && s->n > 1 && (!is_of_the_past(&one) || (i > 0 && one.state != common.state)))
                        return say_unknown(s, ret);
                if (r < 0 || i > 0)
                        continue;
                common = one;
                one = BOOTED_NULL;
        }
        if (r < 0)
                return r;
        return s->n == 0 ? say_unknown(s, ret) : say_verdict(s, &common, ret);
}

int bootline_judge(const FreshnessContext *context, const HelperList *helpers, const BootFacts *facts,
                   Booted *ret) {
        assert(context && helpers && facts && ret);
        _cleanup_(suspects_done) Suspects s = {.context = context, .helpers = helpers, .facts = facts};
        _cleanup_(booted_done) Booted booted = {.state = BOOTED_CURRENT};
        int r = 0;
        if (facts->contained) {
                booted.state = BOOTED_UNKNOWN;
                r = strprintf(&booted.text, "this is a container: the machine boots without it");
        } else if (helpers->n > 0) {
                r = copy_map_fill(&s.copies, context->plan);
                if (r >= 0)
                        r = suspects_find(&s);
                if (r >= 0)
                        r = judge_suspects(&s, &booted);
        }
        if (r < 0)
                return r;
        *ret = booted;
        booted = BOOTED_NULL;
        return 0;
}

int bootline_print(FILE *f, const Booted *booted) {
        assert(f && booted);
        return report_print(f, "BOOTED", booted_state_to_string(booted->state), booted->text, NULL);
}
