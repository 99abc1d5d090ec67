/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The fingerprint recorded is the one taken before the builder ran: a change while it runs makes the cache
 * stale again, and is not lost. */

#include "builder/cachebuild.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/failure.h"
#include "base/log.h"
#include "bootkeep.h"
#include "builder/learning.h"
#include "builder/namedcontent.h"
#include "builder/run/outputs.h"
#include "builder/run/runner.h"
#include "builder/sameness.h"
#include "tree/contain.h"

typedef struct CacheRun {
        const CacheBuild *b;
        const PlanCache *cache;
        const char *prefix; /* of the volume's paths as the builder sees them: "" or the mount point */
        LogFields fields;
} CacheRun;

static void log_builder_line(const char *line, void *userdata) {
        const CacheRun *run = userdata;
        const char *instance = run->cache->instance;
        log_send(LOG_INFO, &run->fields, "%s%s%s: %s", run->cache->cache->name, instance ? " " : "",
                 strempty(instance), line);
}

static void tell_beat(bool active, void *userdata) {
        const CacheRun *run = userdata;
        if (active)
                progress_repeat(run->b->progress);
        else
                progress_idle(run->b->progress, run->cache->definition->name);
}

static int add_as_seen(const CacheRun *run, const char *path, char ***paths) {
        return strv_extendf(paths, "%s%s", run->prefix, path);
}

static int add_source_arguments(const CacheRun *run, char ***ret) {
        const Plan *plan = run->b->context->plan;
        for (PlanSource s = {}; plan_next_source(plan, run->cache, &s);) {
                _cleanup_free_ char *path = NULL;
                int r = plan_path(plan, s.template, s.instance, &path);
                if (r >= 0)
                        r = add_as_seen(run, path, ret);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int make_builder_command(const CacheRun *run, const Outputs *outputs, char ***ret) {
        _cleanup_strv_free_ char **sources = NULL, **written = NULL;
        int r = add_source_arguments(run, &sources);
        for (size_t i = 0; r >= 0 && outputs->paths[i]; i++)
                r = add_as_seen(run, outputs->paths[i], &written);
        if (r < 0)
                return r;
        DefinitionArguments arguments = {
                .instance = run->cache->instance,
                .root = *run->prefix ? run->prefix : "/",
                .sources = sources,
                .outputs = written,
        };
        return definition_command(run->cache->definition, &arguments, ret);
}

static int add_cache_environment(const CacheRun *run, char ***ret) {
        int r = strv_extendf(ret, "BOOTKEEP_VOLUME=%s", run->b->context->root->name);
        if (r >= 0)
                r = strv_extendf(ret, "BOOTKEEP_CACHE=%s", run->cache->cache->name);
        if (r >= 0)
                r = strv_extendf(ret, "BOOTKEEP_INSTANCE=%s", strempty(run->cache->instance));
        return r;
}

static bool wants_chroot(const CacheRun *run) {
        return run->cache->definition->root == DEFINITION_CHROOT && !run->b->running;
}

static int run_builder(const CacheRun *run, const Outputs *outputs, Trace *trace, RunnerOutcome *ret,
                       char **ret_reason) {
        _cleanup_strv_free_ char **argv = NULL, **environment = NULL;
        const Definition *definition = run->cache->definition;
        int r = make_builder_command(run, outputs, &argv);
        if (r >= 0)
                r = add_cache_environment(run, &environment);
        if (r < 0)
                return r;
        RunnerJob job = {
                .program = {.name = definition->name, .argv = argv, .environ = environment},
                .root = run->b->context->root->fd,
                .place = wants_chroot(run) ? NULL : run->b->context->root->mount.target,
                .trace = definition->learn == LEARN_NO ? NULL : trace,
                .learn = definition->learn,
                .timeout_usec = definition->timeout_usec,
                .line = log_builder_line,
                .beat = tell_beat,
                .userdata = (void *) run,
                .interrupt = run->b->interrupt,
        };
        return run->b->link ? builderlink_run(run->b->link, &job, wants_chroot(run), ret, ret_reason)
                            : runner_run(&job, ret, ret_reason);
}

int cachebuild_record_outputs(const FreshnessContext *c, const PlanCache *cache, Stamp *stamp,
                              char **reterr) {
        _cleanup_free_ char *missing = NULL;
        int r = freshness_stamp_outputs(c, cache, stamp, &missing);
        return missing ? failure_errno(reterr, r, "%s", missing) : r;
}

int cachebuild_write_stamp(const FreshnessContext *c, const PlanCache *cache, const Stamp *stamp,
                           char **reterr) {
        _cleanup_close_ int stamps = -EBADF;
        _cleanup_free_ char *name = NULL;
        int r = contain_open_nolinks(c->root->state_fd, "/caches", O_RDONLY | O_DIRECTORY, 0, &stamps);
        if (r >= 0)
                r = stamp_name(cache->cache->name, cache->instance, &name);
        if (r >= 0)
                r = stamp_write(stamps, name, stamp);
        return r < 0 ? failure_errno(reterr, r, "cannot write its stamp") : 0;
}

static int take_stamp(const CacheRun *run, Stamp **ret, char **reterr) {
        _cleanup_free_ char *missing = NULL;
        int r = freshness_stamp_cache(run->b->context, run->cache, ret, &missing);
        if (!missing)
                return r;
        _cleanup_free_ char *why = NULL;
        return reason_describe_error(missing, r, &why) < 0 ? error_origin(-ENOMEM)
                                                           : failure(reterr, r, "source %s", why);
}

static void log_missing_trace(const CacheRun *run, const Trace *trace) {
        if (trace->incomplete)
                log_send(LOG_NOTICE, &run->fields, "Not all is known that builder %s made %s from: %s",
                         run->cache->definition->name, run->cache->cache->name, trace->incomplete);
}

/* While the builder runs, its outputs are what it makes of them. */
static int run_and_settle(const CacheRun *run, const Outputs *outputs, Trace *trace, RunnerOutcome *ret,
                          char **reterr) {
        between_tell(run->b->between, true);
        int r = run_builder(run, outputs, trace, ret, reterr);
        if (r >= 0 && *ret != RUNNER_SUCCESS)
                r = error_origin(-ECANCELED);
        log_missing_trace(run, trace);
        if (r >= 0)
                r = outputs_settle(run->b->context, outputs, reterr);
        between_tell(run->b->between, false);
        return r;
}

static ContentReading reading_of_run(const CacheRun *run) {
        return (ContentReading){
                .room = CONTENT_TOTAL_MAX, .interrupt = run->b->interrupt, .progress = run->b->progress};
}

/* It is built again at once; that this has an end is the business of who has it built. */
static void log_races(const CacheRun *run, const Stamp *stamp) {
        const char *raced;
        size_t i = 0;
        while ((raced = stamp_next(stamp, "raced", &i)))
                log_send(LOG_NOTICE, &run->fields, "%s changed while %s%s%s was built from it", raced,
                         run->cache->cache->name, run->cache->instance ? " " : "",
                         strempty(run->cache->instance));
}

/* LAST: the stamp of the last build, or NULL. */
static int record_learned(const CacheRun *run, const Trace *trace, const Stamp *last, ContentReading *reading,
                          Stamp *stamp) {
        _cleanup_(learned_done) Learned before = LEARNED_NULL;
        const Definition *definition = run->cache->definition;
        if (definition->learn == LEARN_NO)
                return learning_record_nothing(stamp, LEARNING_NOT_ASKED_FOR);
        int r = last ? learned_read(last, &before) : 0;
        if (r < 0)
                return r;
        const Learning learning = {.context = run->b->context,
                                   .cache = run->cache,
                                   .trace = trace,
                                   .how = definition_learn_to_string(definition->learn),
                                   .before = &before,
                                   .reading = reading};
        r = learning_record(&learning, stamp);
        if (r >= 0)
                log_races(run, stamp);
        return r;
}

static int record_and_write(const CacheRun *run, const Trace *trace, Stamp *stamp, char **reterr) {
        _cleanup_(stamp_freep) Stamp *last = NULL;
        ContentReading reading = reading_of_run(run);
        int r = cachebuild_record_outputs(run->b->context, run->cache, stamp, reterr);
        if (r >= 0)
                r = subject_read_alone(&(Subject){.context = run->b->context, .cache = run->cache}, &last);
        if (r >= 0)
                r = record_learned(run, trace, last, &reading, stamp);
        if (r >= 0)
                r = namedcontent_record(&(NamedContent){run->b->context, run->cache, last, &reading}, stamp);
        return r < 0 ? r : cachebuild_write_stamp(run->b->context, run->cache, stamp, reterr);
}

/* 0: built; -ECANCELED: the builder did not build it, *RET says how. What changed until now has other times
 * than what will change while it runs. */
static int build_and_settle(const CacheRun *run, RunnerOutcome *ret, char **reterr) {
        _cleanup_(stamp_freep) Stamp *stamp = NULL;
        _cleanup_(outputs_done) Outputs outputs = OUTPUTS_NULL;
        _cleanup_(trace_done) Trace trace = {};
        int r = take_stamp(run, &stamp, reterr);
        if (r >= 0)
                r = outputs_prepare(run->b->context, run->cache, &outputs, reterr);
        if (r >= 0) {
                learning_await_tick();
                r = run_and_settle(run, &outputs, &trace, ret, reterr);
        }
        return r < 0 ? r : record_and_write(run, &trace, stamp, reterr);
}

/* R: of build_and_settle(). */
static CacheOutcome outcome_of_run(int r, RunnerOutcome ran) {
        if (r >= 0)
                return CACHE_BUILT;
        if (r == -EXDEV) /* until the mount goes that covers it */
                return CACHE_NOT_NOW;
        if (r != -ECANCELED)
                return CACHE_FAILED;
        assert(ran != RUNNER_SUCCESS);
        switch (ran) {
        case RUNNER_NOT_NOW:
                return CACHE_NOT_NOW;
        case RUNNER_INTERRUPTED:
                return CACHE_INTERRUPTED;
        case RUNNER_SUCCESS:
        case RUNNER_FAILED:
                break;
        }
        return CACHE_FAILED;
}

static void log_build_start(const CacheRun *run, const Freshness *f) {
        _cleanup_free_ char *why = freshness_describe(f);
        log_send(LOG_INFO, &run->fields, "Building %s%s%s: %s", run->cache->cache->name,
                 run->cache->instance ? " " : "", strempty(run->cache->instance),
                 f->difference == DIFFERENCE_NONE ? "forced" : strempty(why));
}

/* 1: nothing but metadata has changed, and that is recorded. */
static int keep_if_same(const CacheRun *run, const Freshness *f, char **reterr) {
        _cleanup_(stamp_freep) Stamp *stamp = NULL;
        const ContentReading reading = reading_of_run(run);
        int r = sameness_find(run->b->context, run->cache, &reading, &stamp);
        if (r > 0)
                r = cachebuild_write_stamp(run->b->context, run->cache, stamp, reterr);
        if (r < 0 || !stamp)
                return r;
        _cleanup_free_ char *why = freshness_describe(f);
        log_send(LOG_INFO, &run->fields, "%s%s%s is not built: %s, and has the same content",
                 run->cache->cache->name, run->cache->instance ? " " : "", strempty(run->cache->instance),
                 strempty(why));
        return 1;
}

int cachebuild_run(const CacheBuild *b, const PlanCache *cache, CacheOutcome *ret, char **ret_reason) {
        assert(b->context && cache->cache && cache->definition);
        assert(ret && ret_reason && !*ret_reason);
        _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
        const Root *root = b->context->root;
        RunnerOutcome ran = RUNNER_FAILED;
        CacheRun run = {
                .b = b,
                .cache = cache,
                .prefix = cache->definition->root == DEFINITION_CHROOT || streq(root->mount.target, "/")
                                  ? ""
                                  : root->mount.target,
                .fields = {.message_id = BOOTKEEP_MESSAGE_BUILDER_OUTPUT,
                           .volume = root->name,
                           .cache = cache->cache->name,
                           .instance = cache->instance},
        };
        int r = freshness_of_cache(b->context, cache, &f);
        if (r < 0)
                return r;
        if (f.difference == DIFFERENCE_NONE && !b->force) {
                *ret = CACHE_FRESH;
                return 0;
        }
        r = b->force ? 0 : keep_if_same(&run, &f, ret_reason);
        if (r > 0) {
                *ret = CACHE_SAME;
                return 0;
        }
        log_build_start(&run, &f);
        if (r >= 0)
                r = build_and_settle(&run, &ran, ret_reason);
        if (r == -ENOMEM)
                return r;
        *ret = outcome_of_run(r, ran);
        if (r < 0 && r != -ECANCELED && !*ret_reason)
                (void) failure(ret_reason, r, "%s", strerror(-r));
        return 0;
}
