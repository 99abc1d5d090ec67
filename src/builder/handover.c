/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/handover.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/report.h"
#include "bootkeep.h"
#include "builder/cachebuild.h"
#include "builder/namedcontent.h"
#include "builder/run/clockset.h"
#include "builder/run/outputs.h"
#include "builder/takeover.h"

/* ---- the record ---- */

/* NAME INSTANCE|-, as in the lines of the record. */
static int describe_cache(const PlanCache *pc, char **ret) {
        _cleanup_free_ char *instance = pc->instance ? escape_word(pc->instance) : NULL;
        if (pc->instance && !instance)
                return error_origin(-ENOMEM);
        return strprintf(ret, "%s %s", pc->cache->name, pc->instance ? instance : "-");
}

/* The line `cache` of PC whose stamp would begin as HEAD. */
static int describe_begun(const PlanCache *pc, const Stamp *head, char **ret) {
        _cleanup_free_ char *label = NULL;
        int r = describe_cache(pc, &label);
        return r < 0 ? r
                     : strprintf(ret, "%s %s %s", label, stamp_get(head, "fingerprint"),
                                 stamp_get(head, "builder"));
}

/* The start of the line `before` of the output PATH of PC, up to and including the last space. */
static int describe_output(const PlanCache *pc, const char *path, char **ret) {
        _cleanup_free_ char *label = NULL, *word = escape_word(path);
        if (!word)
                return error_origin(-ENOMEM);
        int r = describe_cache(pc, &label);
        return r < 0 ? r : strprintf(ret, "%s %s ", label, word);
}

static int open_record_folder(const char *file, int *ret) {
        _cleanup_free_ char *folder = strdup(file);
        if (!folder)
                return error_origin(-ENOMEM);
        (void) path_cut_last(folder);
        *ret = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return *ret < 0 ? error_origin(-errno) : 0;
}

/* As deep as it has to be: below /run there is nothing at first. */
static int make_record_folder(const char *file) {
        _cleanup_free_ char *folder = strdup(file), *above = strdup(file);
        if (!folder || !above)
                return error_origin(-ENOMEM);
        (void) path_cut_last(folder);
        (void) path_cut_last(above);
        (void) path_cut_last(above);
        if (mkdir(above, 0755) < 0 && errno != EEXIST)
                return error_origin(-errno);
        return mkdir(folder, 0700) < 0 && errno != EEXIST ? error_origin(-errno) : 0;
}

static int write_record(const Handover *h, const Stamp *record) {
        _cleanup_close_ int folder = -EBADF;
        int r = make_record_folder(h->file);
        if (r >= 0)
                r = open_record_folder(h->file, &folder);
        return r < 0 ? r : stamp_write(folder, path_last(h->file), record);
}

static int read_handover_record(const Handover *h, Stamp **ret, char **ret_reason) {
        _cleanup_close_ int folder = -EBADF;
        int r = open_record_folder(h->file, &folder);
        if (r >= 0)
                r = stamp_read(folder, path_last(h->file), NULL, ret);
        if (r < 0)
                return failure_errno(ret_reason, r, "%s", h->file);
        const char *volume = stamp_get(*ret, "volume");
        _cleanup_free_ char *name = escape_word(h->context->root->name);
        if (!name)
                return error_origin(-ENOMEM);
        return streq_ptr(volume, name) ? 0
                                       : failure(ret_reason, -EBADMSG, "%s is of another volume", h->file);
}

/* ---- what is common to both ends ---- */

/* -ENOMEM is not noted: it says nothing about the cache. */
static int note_why_not(const PlanCache *pc, int r, const char *why, char **ret_reason) {
        if (r == -ENOMEM || *ret_reason)
                return r == -ENOMEM ? r : 0;
        _cleanup_free_ char *label = NULL;
        (void) strprintf(&label, "%s%s%s", pc->cache->name, pc->instance ? " " : "", strempty(pc->instance));
        (void) failure(ret_reason, 0, "%s: %s", strempty(label), why ? why : strerror(-r));
        return 0;
}

/* The stamp of PC as it is now, before its builder runs. */
static int stamp_now(const Handover *h, const PlanCache *pc, Stamp **ret, char **ret_why) {
        _cleanup_free_ char *missing = NULL;
        int r = freshness_stamp_cache(h->context, pc, ret, &missing);
        return missing ? failure_errno(ret_why, r, "%s", missing) : r;
}

/* Is PC made from an output of OTHER? */
static int is_made_from(const Handover *h, const PlanCache *pc, const PlanCache *other) {
        const Plan *plan = h->context->plan;
        if (plan_names_cache(pc, other))
                return 1;
        for (size_t i = 0; i < other->cache->n_outputs; i++) {
                _cleanup_free_ char *output = NULL;
                int r = plan_path(plan, other->cache->outputs[i], other->instance, &output);
                for (size_t n = 0; r >= 0 && n < pc->cache->n_sources; n++) {
                        _cleanup_free_ char *source = NULL;
                        if (!pc->cache->sources[n].path)
                                continue;
                        r = plan_path(plan, pc->cache->sources[n].path, pc->instance, &source);
                        if (r >= 0 && path_meets(output, source))
                                return 1;
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- before ---- */

static bool handover_wants(const Handover *h, const PlanCache *pc) {
        return (!h->cache || streq(h->cache, pc->cache->name)) &&
               (!h->instance || streq(h->instance, strempty(pc->instance)));
}

/* Does what PC makes go into something that is begun, or chosen already? The plan has it behind PC. */
static int is_made_for_begun(const Handover *h, const PlanCache *pc, const bool *chosen) {
        const Plan *plan = h->context->plan;
        int r = 0;
        for (size_t i = (size_t) (pc - plan->caches) + 1; r == 0 && i < plan->n_caches; i++) {
                const PlanCache *other = &plan->caches[i];
                if (chosen[i] || (handover_wants(h, other) && !other->definition->quick))
                        r = is_made_from(h, other, pc);
        }
        return r;
}

static int is_stale_now(const Handover *h, const PlanCache *pc) {
        _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
        int r = freshness_of_cache(h->context, pc, &f);
        return r < 0 ? r : f.difference != DIFFERENCE_NONE;
}

int handover_choose_quick(const Handover *h, bool **ret) {
        const Plan *plan = h->context->plan;
        _cleanup_free_ bool *chosen = calloc(plan->n_caches + 1, sizeof(*chosen));
        bool any = false;
        if (!chosen)
                return error_origin(-ENOMEM);
        for (size_t i = plan->n_caches; i-- > 0;) {
                const PlanCache *pc = &plan->caches[i];
                int r = pc->definition->quick ? is_made_for_begun(h, pc, chosen) : 0;
                chosen[i] = r > 0;
                if (r > 0)
                        r = is_stale_now(h, pc);
                if (r < 0)
                        return r;
                any = any || r > 0;
        }
        *ret = any ? TAKE_PTR(chosen) : NULL;
        return 0;
}

static int record_outputs(const PlanCache *pc, const Outputs *o, Stamp *record) {
        int r = 0;
        for (size_t i = 0; r >= 0 && o->paths[i]; i++) {
                _cleanup_free_ char *start = NULL;
                char hex[FINGERPRINT_HEX_MAX];
                if (fingerprint_equal(&o->before[i], &(Fingerprint){}))
                        continue; /* there was none */
                r = describe_output(pc, o->paths[i], &start);
                if (r >= 0)
                        r = stamp_add(record, "before", "%s%s", start,
                                      fingerprint_to_hex(&o->before[i], hex));
        }
        return r;
}

static int record_cache(const Handover *h, const PlanCache *pc, Stamp *record, char **ret_why) {
        _cleanup_(stamp_freep) Stamp *stamp = NULL;
        _cleanup_(outputs_done) Outputs outputs = OUTPUTS_NULL;
        _cleanup_free_ char *line = NULL;
        int r = stamp_now(h, pc, &stamp, ret_why);
        if (r >= 0)
                r = outputs_prepare(h->context, pc, &outputs, ret_why);
        if (r >= 0)
                r = describe_begun(pc, stamp, &line);
        if (r >= 0)
                r = stamp_add(record, "cache", "%s", line);
        return r < 0 ? r : record_outputs(pc, &outputs, record);
}

static int record_caches(const Handover *h, Stamp *record, char **ret_reason) {
        const Plan *plan = h->context->plan;
        for (size_t i = 0; i < plan->n_caches; i++) {
                _cleanup_free_ char *why = NULL;
                if (!handover_wants(h, &plan->caches[i]))
                        continue;
                int r = record_cache(h, &plan->caches[i], record, &why);
                if (r < 0)
                        r = note_why_not(&plan->caches[i], r, why, ret_reason);
                if (r < 0)
                        return r;
        }
        if (stamp_get(record, "cache"))
                return 0;
        if (!*ret_reason)
                (void) failure(ret_reason, 0, "there is no such cache");
        return error_origin(-ENOENT);
}

int handover_begin(const Handover *h, char **ret_reason) {
        assert(h->context && h->file && ret_reason && !*ret_reason);
        _cleanup_(stamp_freep) Stamp *record = stamp_new();
        _cleanup_free_ char *volume = escape_word(h->context->root->name);
        if (!record || !volume)
                return error_origin(-ENOMEM);
        int r = stamp_add(record, "volume", "%s", volume);
        if (r >= 0)
                r = stamp_add(record, "clock", "%" PRId64, MAX(clockset_now(), INT64_C(0)));
        if (r >= 0)
                r = record_caches(h, record, ret_reason);
        return r < 0 ? r : write_record(h, record);
}

/* ---- after ---- */

/* What it is made from would be built first, and then this one once more. In the order of the plan, those
 * come before it. */
static int check_sources_are_built(const Handover *h, const PlanCache *pc, char **ret_why) {
        const Plan *plan = h->context->plan;
        for (const PlanCache *other = plan->caches; other < pc; other++) {
                _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
                int r = is_made_from(h, pc, other);
                if (r == 0)
                        continue;
                if (r > 0)
                        r = freshness_of_cache(h->context, other, &f);
                if (r < 0)
                        return r;
                if (f.difference != DIFFERENCE_NONE)
                        return failure(ret_why, -ESTALE, "%s, from which it is made, is not built yet",
                                       other->cache->name);
        }
        return 0;
}

/* The outputs as they were before. */
static int recall_outputs(const Handover *h, const PlanCache *pc, const Stamp *record, Outputs *ret,
                          char **ret_why) {
        int r = outputs_prepare(h->context, pc, ret, ret_why);
        for (size_t i = 0; r >= 0 && ret->paths[i]; i++) {
                _cleanup_free_ char *start = NULL;
                r = describe_output(pc, ret->paths[i], &start);
                const char *line = r < 0 ? NULL : stamp_find(record, "before", start);
                ret->before[i] = (Fingerprint){};
                if (line)
                        r = fingerprint_from_hex(line + strlen(start), &ret->before[i]);
        }
        return r;
}

static int take_outputs(const Handover *h, const PlanCache *pc, const Stamp *record, char **ret_why) {
        _cleanup_(outputs_done) Outputs outputs = OUTPUTS_NULL;
        int r = recall_outputs(h, pc, record, &outputs, ret_why);
        if (r < 0)
                return r;
        r = outputs_settle(h->context, &outputs, ret_why);
        return r == -ENODATA ? failure(ret_why, r, "it was not built meanwhile") : r;
}

/* The record was written when it was begun. */
static int take_list(const Handover *h, const PlanCache *pc, const Stamp *record, Stamp *stamp) {
        const char *text = stamp_get(record, "clock");
        uint64_t clock = 0;
        struct stat st;
        if (stat(h->file, &st) < 0)
                return error_origin(-errno);
        if (text)
                (void) parse_u64_max(text, INT64_MAX, &clock);
        const struct timespec since = clockset_earliest(&st.st_mtim, (int64_t) clock);
        return takeover_record(h->context, pc, &since, stamp);
}

/* BEGUN: its line of RECORD. */
static int take_cache(const Handover *h, const PlanCache *pc, const Stamp *record, const char *begun,
                      char **ret_why) {
        _cleanup_(stamp_freep) Stamp *stamp = NULL;
        _cleanup_free_ char *now = NULL;
        int r = stamp_now(h, pc, &stamp, ret_why);
        if (r >= 0)
                r = describe_begun(pc, stamp, &now);
        if (r < 0)
                return r;
        if (!streq(now, begun))
                return failure(ret_why, -ESTALE, "its sources changed meanwhile");
        r = check_sources_are_built(h, pc, ret_why);
        if (r >= 0)
                r = take_outputs(h, pc, record, ret_why);
        if (r >= 0)
                r = cachebuild_record_outputs(h->context, pc, stamp, ret_why);
        if (r >= 0)
                r = take_list(h, pc, record, stamp);
        if (r >= 0)
                r = namedcontent_record(&(NamedContent){.context = h->context, .cache = pc}, stamp);
        return r < 0 ? r : cachebuild_write_stamp(h->context, pc, stamp, ret_why);
}

static void tell_taken(const Handover *h, const PlanCache *pc) {
        const LogFields fields = {
                .message_id = BOOTKEEP_MESSAGE_BUILD_SUCCEEDED,
                .volume = h->context->root->name,
                .cache = pc->cache->name,
                .instance = pc->instance,
        };
        log_send(LOG_NOTICE, &fields, "%s%s%s was built by another program", pc->cache->name,
                 pc->instance ? " " : "", strempty(pc->instance));
        (void) report_print(h->report, "BUILT", pc->cache->name, pc->instance ? pc->instance : "-", "ok", "0",
                            NULL);
}

static int take_if_begun(const Handover *h, const PlanCache *pc, const Stamp *record, char **ret_reason) {
        _cleanup_free_ char *label = NULL, *start = NULL, *why = NULL;
        int r = describe_cache(pc, &label);
        if (r >= 0)
                r = strprintf(&start, "%s ", label);
        if (r < 0)
                return r;
        const char *begun = stamp_find(record, "cache", start);
        if (!begun)
                return 0;
        r = take_cache(h, pc, record, begun, &why);
        if (r < 0)
                return note_why_not(pc, r, why, ret_reason);
        tell_taken(h, pc);
        return 1;
}

int handover_end(const Handover *h, unsigned *ret_taken, char **ret_reason) {
        assert(h->context && h->file && ret_taken && ret_reason && !*ret_reason);
        const Plan *plan = h->context->plan;
        _cleanup_(stamp_freep) Stamp *record = NULL;
        unsigned taken = 0;
        int r = read_handover_record(h, &record, ret_reason);
        for (size_t i = 0; r >= 0 && i < plan->n_caches; i++) {
                r = take_if_begun(h, &plan->caches[i], record, ret_reason);
                taken += r > 0;
        }
        if (r < 0)
                return r;
        *ret_taken = taken;
        return 0;
}
