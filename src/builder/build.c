/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What continues when something fails: other caches are built all the same, but those that depend on the
 * failed one, as the manifest says or was learned, are not; and then no helper is switched, because all parts
 * of the set that it carries must fit together. A helper that fails does not keep others from being updated.
 */

#include "builder/build.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/failure.h"
#include "base/kernelfile.h"
#include "base/log.h"
#include "base/path.h"
#include "base/report.h"
#include "bootkeep.h"
#include "builder/cachebuild.h"
#include "builder/transaction/update.h"
#include "freshness/learnedorder.h"
#include "tree/contain.h"

/* An output that is not what it should be, and its cache. */
typedef struct Spoiled {
        char *path;
        const PlanCache *cache;
        bool failed; /* else: not now */
} Spoiled;

typedef struct Run {
        const Build *build;
        bool running; /* the volume is the root of the running system */
        char *boot_id;
        char *cmdline; /* of the kernel */
        Spoiled *spoiled;
        size_t n_spoiled;
        Spoiled *learned; /* for each cache of the plan: what it was learned to be made from; CACHE NULL:
                             nothing of that is spoiled */
        Progress progress;
        bool *built; /* for each cache of the plan */
        bool again;  /* the caches are gone through once more */
        bool failed, not_now, interrupted;
        char *reason;
        bool reason_is_failure;
} Run;

static void run_done(Run *run) {
        for (size_t i = 0; i < run->n_spoiled; i++)
                free(run->spoiled[i].path);
        free(run->spoiled);
        free(run->learned);
        free(run->built);
        free(run->boot_id);
        free(run->cmdline);
        free(run->reason);
}

static const char *volume_name(const Run *run) {
        return run->build->context->root->name;
}

/* The first reason is reported as that of the whole build; that something was deferred does not count as
 * one. */
static void note_reason(Run *run, bool is_failure, const char *what, const char *reason) {
        if (run->reason && (run->reason_is_failure || !is_failure))
                return;
        run->reason_is_failure = is_failure;
        (void) failure(&run->reason, 0, "%s: %s", what, reason);
}

/* ---- caches ---- */

static void cache_label(const PlanCache *pc, char **ret) {
        (void) failure(ret, 0, "%s%s%s", pc->cache->name, pc->instance ? " " : "", strempty(pc->instance));
}

/* What was learned when they were last built. */
static int read_learned_edges(const Run *run, PlanEdge **ret, size_t *ret_n) {
        StampRoom room = STAMP_ROOM_FULL;
        FreshnessContext context = *run->build->context;
        context.room = &room;
        return learned_order_read(&context, ret, ret_n);
}

static int spoil_learned(Run *run, const PlanCache *pc, bool failed) {
        _cleanup_free_ PlanEdge *edges = NULL;
        const Plan *plan = run->build->context->plan;
        size_t n = 0;
        int r = read_learned_edges(run, &edges, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (&plan->caches[edges[i].first] == pc && !run->learned[edges[i].then].cache)
                        run->learned[edges[i].then] = (Spoiled){.cache = pc, .failed = failed};
        return r;
}

static int spoil_outputs(Run *run, const PlanCache *pc, bool failed) {
        assert(run->failed || run->not_now);
        for (size_t i = 0; i < pc->cache->n_outputs; i++) {
                char *path = NULL;
                if (grow(run->spoiled, run->n_spoiled) < 0)
                        return error_origin(-ENOMEM);
                int r = plan_path(run->build->context->plan, pc->cache->outputs[i], pc->instance, &path);
                if (r < 0)
                        return r;
                run->spoiled[run->n_spoiled++] = (Spoiled){.path = path, .cache = pc, .failed = failed};
        }
        return spoil_learned(run, pc, failed);
}

/* What is wrong with a source of PC, or NULL. */
static int find_spoiled_source(const Run *run, const PlanCache *pc, const Spoiled **ret) {
        for (size_t j = 0; j < run->n_spoiled; j++)
                if (plan_names_cache(pc, run->spoiled[j].cache)) {
                        *ret = &run->spoiled[j];
                        return 0;
                }
        for (size_t i = 0; run->n_spoiled > 0 && i < pc->cache->n_sources; i++) {
                _cleanup_free_ char *path = NULL;
                if (!pc->cache->sources[i].path)
                        continue;
                int r = plan_path(run->build->context->plan, pc->cache->sources[i].path, pc->instance, &path);
                if (r < 0)
                        return r;
                for (size_t j = 0; j < run->n_spoiled; j++)
                        if (path_meets(run->spoiled[j].path, path)) {
                                *ret = &run->spoiled[j];
                                return 0;
                        }
        }
        const Spoiled *learned = &run->learned[pc - run->build->context->plan->caches];
        *ret = learned->cache ? learned : NULL;
        return 0;
}

static const struct {
        const char *word; /* in the record; NULL: none */
        int level;
        const char *message_id;
} outcomes[] = {
        [CACHE_FRESH] = {},
        [CACHE_SAME] = {"same", LOG_INFO, BOOTKEEP_MESSAGE_BUILD_SUCCEEDED},
        [CACHE_BUILT] = {"ok", LOG_NOTICE, BOOTKEEP_MESSAGE_BUILD_SUCCEEDED},
        [CACHE_FAILED] = {"failed", LOG_ERR, BOOTKEEP_MESSAGE_BUILD_FAILED},
        [CACHE_NOT_NOW] = {"not-now", LOG_NOTICE, BOOTKEEP_MESSAGE_BUILD_FAILED},
        [CACHE_INTERRUPTED] = {"not-now", LOG_NOTICE, BOOTKEEP_MESSAGE_BUILD_FAILED},
};

static void report_cache(Run *run, const PlanCache *pc, CacheOutcome outcome, uint64_t usec,
                         const char *reason) {
        if (!outcomes[outcome].word)
                return;
        LogFields fields = {
                .message_id = outcomes[outcome].message_id,
                .volume = volume_name(run),
                .cache = pc->cache->name,
                .instance = pc->instance,
        };
        _cleanup_free_ char *label = NULL;
        char time[24];
        cache_label(pc, &label);
        (void) snprintf(time, sizeof(time), "%" PRIu64, usec);
        (void) report_print(run->build->report, "BUILT", pc->cache->name, pc->instance ? pc->instance : "-",
                            outcomes[outcome].word, time, reason, NULL);
        if (outcome == CACHE_SAME)
                return; /* it was said why */
        if (outcome == CACHE_BUILT) {
                log_send(LOG_NOTICE, &fields, "%s built in %.1f s", strempty(label),
                         (double) usec / USEC_PER_SEC);
                return;
        }
        log_send(outcomes[outcome].level, &fields, "%s: %s", strempty(label), strempty(reason));
        note_reason(run, outcome == CACHE_FAILED, strempty(label), strempty(reason));
}

static int note_outcome(Run *run, const PlanCache *pc, CacheOutcome outcome) {
        switch (outcome) {
        case CACHE_FRESH:
        case CACHE_SAME:
        case CACHE_BUILT:
                return 0;
        case CACHE_FAILED:
                run->failed = true;
                return spoil_outputs(run, pc, true);
        case CACHE_NOT_NOW:
                run->not_now = true;
                return spoil_outputs(run, pc, false);
        case CACHE_INTERRUPTED:
                run->interrupted = true;
                return 0;
        }
        return error_origin(-EINVAL);
}

/* SOURCE is what it would be built from. */
static int skip_cache(Run *run, const PlanCache *pc, const Spoiled *source) {
        _cleanup_free_ char *label = NULL, *reason = NULL;
        CacheOutcome outcome = source->failed ? CACHE_FAILED : CACHE_NOT_NOW;
        cache_label(source->cache, &label);
        (void) failure(&reason, 0, "skipped: %s %s", strempty(label),
                       source->failed ? "failed" : "was deferred");
        report_cache(run, pc, outcome, 0, strempty(reason));
        return note_outcome(run, pc, outcome);
}

static int build_cache(Run *run, const PlanCache *pc) {
        CacheBuild cb = {
                .context = run->build->context,
                .interrupt = run->build->interrupt,
                .progress = &run->progress,
                .between = run->build->between,
                .link = run->build->link,
                .force = run->build->force && !run->again,
                .running = run->running,
        };
        _cleanup_free_ char *reason = NULL;
        const Spoiled *source;
        CacheOutcome outcome;
        int r = find_spoiled_source(run, pc, &source);
        if (r < 0)
                return r;
        if (source)
                return skip_cache(run, pc, source);
        uint64_t start = now_usec();
        r = cachebuild_run(&cb, pc, &outcome, &reason);
        if (r < 0)
                return r;
        run->built[pc - run->build->context->plan->caches] |= outcome == CACHE_BUILT;
        report_cache(run, pc, outcome, outcome == CACHE_SAME ? 0 : now_usec() - start, reason);
        return note_outcome(run, pc, outcome);
}

static bool note_interrupt(Run *run) {
        if (!run->interrupted && interrupt_check(run->build->interrupt)) {
                run->interrupted = true;
                log_send(LOG_NOTICE, &(LogFields){.volume = volume_name(run)}, "Interrupted");
        }
        return run->interrupted;
}

static int go_through_caches(Run *run) {
        const Plan *plan = run->build->context->plan;
        for (size_t i = 0; i < plan->n_caches && !note_interrupt(run); i++) {
                int r = !run->build->only || run->build->only[i] ? build_cache(run, &plan->caches[i]) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* 1: one was made from what another makes that was built after it, as was learned from its builder. */
static int order_was_wrong(const Run *run) {
        _cleanup_free_ PlanEdge *edges = NULL;
        size_t n = 0;
        int r = read_learned_edges(run, &edges, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (edges[i].first > edges[i].then && run->built[edges[i].first] && run->built[edges[i].then])
                        return 1;
        return MIN(r, 0);
}

/* The next build knows the order; what this one did not know is put right at once. Once: if two are made from
 * each other, there is no end. */
static int build_caches(Run *run) {
        StampRoom *room = run->build->context->room;
        size_t n = run->build->context->plan->n_caches + 1;
        run->built = calloc(n, sizeof(*run->built));
        run->learned = calloc(n, sizeof(*run->learned));
        if (!run->built || !run->learned)
                return error_origin(-ENOMEM);
        int r = go_through_caches(run);
        if (r < 0 || run->failed || run->not_now || run->interrupted || run->build->only)
                return r;
        r = order_was_wrong(run);
        if (r <= 0)
                return r;
        log_send(LOG_NOTICE, &(LogFields){.volume = volume_name(run)},
                 "What was built before that which it is made from is looked at again");
        run->again = true;
        if (room)
                *room = STAMP_ROOM_FULL;
        return go_through_caches(run);
}

/* ---- helpers ---- */

static void log_updated(const Run *run, const Helper *h, const UpdateResult *u) {
        char size[BYTES_TEXT_MAX];
        LogFields fields = {
                .message_id = BOOTKEEP_MESSAGE_HELPER_UPDATED,
                .volume = volume_name(run),
                .helper = h->device,
        };
        log_send(LOG_NOTICE, &fields, "%s: %u %s written (%s), %u switched, %u removed", h->device,
                 u->written, u->written == 1 ? "file" : "files", bytes_to_text(u->bytes, size), u->switched,
                 u->removed);
}

static void log_helper_failed(Run *run, const Helper *h, int r, const char *reason) {
        LogFields fields = {
                .message_id = BOOTKEEP_MESSAGE_HELPER_FAILED,
                .volume = volume_name(run),
                .helper = h->device,
                .error = r,
        };
        log_send(r == -EINTR || r == -EAGAIN ? LOG_NOTICE : LOG_ERR, &fields, "%s: %s", h->device, reason);
        note_reason(run, r != -EINTR && r != -EAGAIN, h->device, reason);
}

static void report_helper(Run *run, const Helper *h, int r, const UpdateResult *u, const char *reason) {
        char bytes[24];
        if (r >= 0 && u->fresh)
                return;
        (void) snprintf(bytes, sizeof(bytes), "%" PRIu64, u->bytes);
        (void) report_print(run->build->report, "UPDATED", h->device, helper_type_to_string(h->type),
                            h->partuuid, r < 0 ? "failed" : "ok", bytes, r < 0 ? reason : NULL, NULL);
        if (r >= 0)
                log_updated(run, h, u);
        else
                log_helper_failed(run, h, r, reason);
}

static int update_and_report(Run *run, const Helper *h) {
        Updater updater = {
                .context = run->build->context,
                .interrupt = run->build->interrupt,
                .progress = &run->progress,
                .between = run->build->between,
                .boot_id = run->boot_id,
                .cmdline = run->cmdline,
                .running = run->running,
                .force = run->build->force,
        };
        _cleanup_free_ char *reason = NULL;
        UpdateResult result;
        int r = update_helper(&updater, h, &result, &reason);
        if (r == -ENOMEM)
                return r;
        if (r == -EINTR)
                run->interrupted = true;
        else if (r == -EAGAIN)
                run->not_now = true;
        else if (r < 0)
                run->failed = true;
        report_helper(run, h, r, &result, r == -EINTR ? "interrupted" : reason ? reason : strerror(-r));
        return 0;
}

static int update_helpers(Run *run) {
        const HelperList *l = run->build->helpers;
        if (run->failed || run->not_now) {
                if (l->n > 0)
                        log_send(LOG_NOTICE, &(LogFields){.volume = volume_name(run)},
                                 "Helpers are left as they are until all caches are built");
                return 0;
        }
        for (size_t i = 0; i < l->n && !note_interrupt(run); i++) {
                int r = update_and_report(run, &l->items[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static BuildResult result_of(const Run *run) {
        if (run->failed)
                return BUILD_FAILED;
        return run->not_now || run->interrupted ? BUILD_NOT_NOW : BUILD_SUCCESS;
}

int build_run(const Build *b, BuildResult *ret, char **ret_reason) {
        assert(b->context && b->helpers && b->report && ret && ret_reason);
        assert(!b->caches_only || !b->helpers_only);
        _cleanup_(run_done) Run run = {
                .build = b,
                .running = root_is_running(b->context->root),
                .progress = {.f = b->report},
        };
        int r = kernelfile_read_line(KERNEL_BOOT_ID, &run.boot_id);
        if (r >= 0)
                r = kernelfile_read_line(KERNEL_CMDLINE, &run.cmdline);
        if (r >= 0 && !b->helpers_only)
                r = build_caches(&run);
        if (r >= 0 && !b->caches_only)
                r = update_helpers(&run);
        if (r < 0)
                return r;
        *ret = result_of(&run);
        assert(*ret != BUILD_SUCCESS || !run.reason);
        if (run.interrupted && *ret == BUILD_NOT_NOW)
                (void) failure(&run.reason, 0, "interrupted");
        *ret_reason = TAKE_PTR(run.reason);
        return 0;
}
