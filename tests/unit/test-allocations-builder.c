/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/builder fails in turn: in the build of a cache and the update of a helper as
 * wholes, because a helper must carry a complete set after each of these failures as after any other. */

#include "allocations.h"

#include <poll.h>
#include <sys/wait.h>

#include "builderhostworld.h"
#include "buildworld.h"
#include "lockservice.h"

#include "base/log.h"
#include "builder/build.h"
#include "builder/builderunit.h"
#include "builder/buslock.h"
#include "builder/cachebuild.h"
#include "builder/handover.h"
#include "builder/learning.h"
#include "builder/namedcontent.h"
#include "builder/run/builderorder.h"
#include "builder/run/inodeset.h"
#include "builder/run/linecutter.h"
#include "builder/run/lookups.h"
#include "builder/run/trace.h"
#include "builder/sameness.h"
#include "builder/takeover.h"
#include "builder/transaction/decision.h"
#include "builder/transaction/directories.h"
#include "builder/transaction/naming.h"
#include "builder/transaction/nextrecord.h"
#include "builder/transaction/recorder.h"
#include "builder/transaction/update.h"
#include "freshness/recordlines.h"

#define MANIFEST                                                                                             \
        "<cache name=\"c\" builder=\"b\"><source path=\"/src\"/><output path=\"/out\"/></cache>"             \
        "<copy role=\"required\" from=\"/src/kernel\" to=\"/os/linux\"/>"                                    \
        "<copy role=\"entry\" from=\"/entry\" to=\"/loader/entries/os.conf\"/>"                              \
        "<copy role=\"misc\" from=\"/tree\" to=\"/os/tree\"/>"

typedef struct World {
        BuildWorld b;
        unsigned runs;
} World;

static void world_start(World *w, Scratch *s) {
        *w = (World){};
        buildworld_start_with_disk(&w->b, s, MANIFEST);
        scratch_write(s, "v/src/kernel", "first");
        scratch_write(s, "v/entry", "title an OS\nlinux /os/linux\n");
        scratch_write(s, "v/tree/a", "a");
        scratch_write(s, "v/tree/b/c", "c");
}

static void world_end(World *w) {
        buildworld_end_with_disk(&w->b);
}

/* Each run has a different kernel to copy. */
static void world_change(World *w) {
        char text[32];
        int n = snprintf(text, sizeof(text), "kernel %u", w->runs++);
        int fd = openat(w->b.root.fd, "src/kernel", O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, text, (size_t) n), 0);
        close(fd);
}

/* The entry on the helper names a kernel that exists. */
static void assert_complete(const World *w) {
        char path[128], text[1024] = "", name[64] = "";
        (void) snprintf(path, sizeof(path), "%s/helper/loader/entries/os.conf", w->b.s->path);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                assert_int_equal(errno, ENOENT);
                return; /* nothing was ever written */
        }
        assert_true(read(fd, text, sizeof(text) - 1) > 0);
        close(fd);
        const char *kernel = strstr(text, "linux ");
        assert_non_null(kernel);
        assert_int_equal(sscanf(kernel, "linux %63s", name), 1);
        (void) snprintf(path, sizeof(path), "%s/helper%s", w->b.s->path, name);
        assert_int_equal(access(path, F_OK), 0);
}

static int update(World *w, bool force) {
        const Updater updater = {
                .context = &w->b.context,
                .boot_id = "22222222-2222-2222-2222-222222222222",
                .cmdline = "quiet",
                .running = true,
                .force = force,
        };
        UpdateResult result = {};
        char *why = NULL;
        int r = update_helper(&updater, &w->b.helper, &result, &why);
        free(why);
        assert_complete(w);
        return r;
}

static void prepare_same(void *userdata) {
        assert_int_equal(update(userdata, false), 0);
}

/* Another kernel than the helper carries. */
static void prepare_change(void *userdata) {
        prepare_same(userdata);
        world_change(userdata);
}

static int update_changed(void *userdata) {
        return update(userdata, false);
}

static int update_by_force(void *userdata) {
        return update(userdata, true);
}

static void helper_is_complete_whatever_fails(void **state) {
        World w;
        world_start(&w, *state);
        allocations_fail_or_cope_prepared(&(AllocationsCase){prepare_change, update_changed, &w});
        allocations_fail_or_cope_prepared(&(AllocationsCase){prepare_same, update_by_force, &w});
        world_end(&w);
}

static int build_cache(void *userdata) {
        World *w = userdata;
        const CacheBuild build = {.context = &w->b.context, .force = true};
        CacheOutcome outcome = CACHE_FRESH;
        char *why = NULL;
        int r = cachebuild_run(&build, &w->b.plan->caches[0], &outcome, &why);
        assert_true(r < 0 || outcome == CACHE_BUILT || (outcome == CACHE_FAILED && why));
        free(why);
        return r;
}

static void cache_is_built_or_the_error_is_returned(void **state) {
        World w;
        world_start(&w, *state);
        int level = log_set_max_level(LOG_ERR);
        allocations_fail_or_cope(build_cache, &w);
        log_set_max_level(level);
        world_end(&w);
}

/* What a builder used, as a trace; and what differs in its times alone. */
static int learn_from_trace(void *userdata) {
        World *w = userdata;
        Trace trace = {};
        Learned before = LEARNED_NULL;
        const Learning l = {&w->b.context, &w->b.plan->caches[0], &trace, "opens", &before};
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        int r = stamp ? stamp_add(stamp, "before", "x") : -ENOMEM;
        static const char *const read[] = {"/etc/ld.so.cache", "/learn/file",
                                           "/usr/lib/x86_64-linux-gnu/libc.so.6"};
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(read); i++)
                r = trace_add(&trace, read[i], TRACE_READ);
        if (r >= 0)
                r = trace_add(&trace, "/learn", TRACE_LISTED);
        if (r >= 0)
                r = trace_add(&trace, "/etc", TRACE_LISTED);
        if (r >= 0)
                r = trace_add(&trace, "/none", TRACE_ABSENT);
        trace_finish(&trace);
        if (r >= 0)
                r = learning_record(&l, stamp);
        if (r >= 0)
                r = learning_record_nothing(stamp, "a reason");
        if (r >= 0)
                r = learned_read(stamp, &before);
        learned_done(&before);
        trace_done(&trace);
        return r;
}

static int find_sameness(void *userdata) {
        World *w = userdata;
        Stamp *stamp = NULL;
        const ContentReading reading = {.room = CONTENT_TOTAL_MAX};
        int r = sameness_find(&w->b.context, &w->b.plan->caches[0], &reading, &stamp);
        assert_int_equal(r > 0, stamp != NULL);
        stamp_free(stamp);
        return r;
}

/* The stamp before has content, and so has the list; one file has other times. */
static int record_named_content(void *userdata) {
        World *w = userdata;
        const PlanCache *cache = &w->b.plan->caches[0];
        _cleanup_(stamp_freep) Stamp *before = NULL, *stamp = NULL;
        int r = subject_read_alone(&(Subject){.context = &w->b.context, .cache = cache}, &before);
        if (r >= 0)
                r = freshness_stamp_cache(&w->b.context, cache, &stamp, NULL);
        if (r >= 0)
                r = freshness_stamp_outputs(&w->b.context, cache, stamp, NULL);
        return r < 0 ? r : namedcontent_record(&(NamedContent){&w->b.context, cache, before, NULL}, stamp);
}

/* As a build does that was seen to use the sources and more. */
static void stamp_with_list(World *w) {
        const PlanCache *cache = &w->b.plan->caches[0];
        Trace trace = {};
        Learned before = LEARNED_NULL;
        Stamp *stamp = NULL;
        char *why = NULL;
        const Learning l = {&w->b.context, cache, &trace, "lookups", &before};
        learning_await_tick();
        assert_int_equal(clock_gettime(CLOCK_REALTIME_COARSE, &trace.began), 0);
        assert_int_equal(trace_add(&trace, "/src/kernel", TRACE_READ), 0);
        assert_int_equal(trace_add(&trace, "/learn/file", TRACE_READ), 0);
        assert_int_equal(trace_add(&trace, "/learn/link", TRACE_LINK), 0);
        assert_int_equal(trace_add(&trace, "/learn/other", TRACE_LOOKED), 0);
        assert_int_equal(trace_add(&trace, "/learn", TRACE_LISTED), 0);
        assert_int_equal(trace_add(&trace, "/none", TRACE_ABSENT), 0);
        trace_finish(&trace);
        assert_int_equal(freshness_stamp_cache(&w->b.context, cache, &stamp, NULL), 0);
        assert_int_equal(cachebuild_record_outputs(&w->b.context, cache, stamp, &why), 0);
        assert_int_equal(learning_record(&l, stamp), 0);
        assert_null(stamp_get(stamp, "raced"));
        assert_int_equal(namedcontent_record(&(NamedContent){&w->b.context, cache, NULL, NULL}, stamp), 0);
        assert_int_equal(cachebuild_write_stamp(&w->b.context, cache, stamp, &why), 0);
        stamp_free(stamp);
        trace_done(&trace);
}

static void what_was_learned_is_recorded_or_the_error_is_returned(void **state) {
        const Scratch *s = *state;
        World w;
        world_start(&w, *state);
        int level = log_set_max_level(LOG_ERR);
        shell("mkdir -p %s/v/learn && ln -s file %s/v/learn/link && touch %s/v/learn/file %s/v/learn/other "
              "&& "
              "ln -s other %s/v/learn/another",
              s->path, s->path, s->path, s->path, s->path);
        allocations_fail_in_turn(learn_from_trace, &w);
        assert_int_equal(build_cache(&w), 0);
        stamp_with_list(&w);
        shell("touch %s/v/src/kernel %s/v/learn/file %s/v/src/one %s/v/src/other && ln -sf kernel "
              "%s/v/src/link",
              s->path, s->path, s->path, s->path, s->path);
        stamp_with_list(&w);
        shell("touch %s/v/src/kernel %s/v/learn/file %s/v/src/other %s/v/out && ln -sfn kernel %s/v/src/link",
              s->path, s->path, s->path, s->path, s->path);
        assert_int_equal(find_sameness(&w), 1);
        allocations_fail_in_turn(find_sameness, &w);
        allocations_fail_in_turn(record_named_content, &w);
        log_set_max_level(level);
        world_end(&w);
}

/* Whatever failed, what was not recorded was not taken. */
static int hand_over(void *userdata) {
        World *w = userdata;
        char file[128], *why = NULL;
        unsigned taken = 0;
        (void) snprintf(file, sizeof(file), "%s/run/begun/0", w->b.s->path);
        _cleanup_fclose_ FILE *report = fopen("/dev/null", "we");
        const Handover h = {.context = &w->b.context, .file = file, .report = report};
        bool *quick = NULL;
        int r = report ? handover_choose_quick(&h, &quick) : -ENOMEM;
        free(quick);
        if (r >= 0)
                r = handover_begin(&h, &why);
        free(why);
        why = NULL;
        int fd = openat(w->b.root.fd, "out", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        close(fd);
        if (r >= 0)
                r = handover_end(&h, &taken, &why);
        free(why);
        (void) unlinkat(w->b.s->fd, "v/out", 0);
        assert_true(r < 0 || taken == 1 || allocations_have_failed());
        return r;
}

static void what_others_built_is_taken_or_the_error_is_returned(void **state) {
        World w;
        world_start(&w, *state);
        int level = log_set_max_level(LOG_CRIT);
        allocations_fail_or_cope(hand_over, &w);
        log_set_max_level(level);
        world_end(&w);
}

/* By each instance: two have a list of their own, and the third one takes the newer of these. */
static int take_over_lists(void *userdata) {
        const World *w = userdata;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < w->b.plan->n_caches; i++) {
                _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
                r = stamp ? takeover_record(&w->b.context, &w->b.plan->caches[i], &(struct timespec){}, stamp)
                          : -ENOMEM;
                if (r >= 0)
                        assert_true(startswith(stamp_get(stamp, "learned"), "from "));
        }
        return r;
}

static void list_of_another_is_taken_over_or_the_error_is_returned(void **state) {
        Scratch *s = *state;
        World w = {};
        int level = log_set_max_level(LOG_CRIT);
        for (int name = '1'; name <= '3'; name++) {
                char path[64], text[256];
                (void) snprintf(path, sizeof(path), "v/src/%c", name);
                scratch_write(s, path, "");
                (void) snprintf(path, sizeof(path), "state/caches/a@%c.stamp", name);
                (void) snprintf(text, sizeof(text),
                                "bootkeep-stamp 1\nfingerprint 00\nlearned opens\nread /src/%c 1 -\n"
                                "list /src 00\nlink /l x\nlook /src/%c 1\nmiss /none/%c/%c\n",
                                name, name, name, name);
                if (name < '3')
                        scratch_write(s, path, text);
        }
        buildworld_start(&w.b, s,
                         "<cache name=\"a\" builder=\"b\" each=\"/src/*\"><source path=\"/src/%i\"/>"
                         "<output path=\"/out/%i\"/></cache>");
        allocations_fail_in_turn(take_over_lists, &w);
        log_set_max_level(level);
        buildworld_end(&w.b);
}

/* A whole build: its caches by force, or of helpers that need nothing. */
static int build_part(World *w, bool caches) {
        const HelperList helpers = {.items = &w->b.helper, .n = 1};
        _cleanup_fclose_ FILE *report = fopen("/dev/null", "we");
        Interrupt *interrupt = NULL;
        BuildResult result = BUILD_FAILED;
        char *why = NULL;
        int r = report ? interrupt_new(&interrupt) : -ENOMEM;
        if (r < 0)
                return r;
        const Build build = {
                .context = &w->b.context,
                .helpers = &helpers,
                .interrupt = interrupt,
                .report = report,
                .force = caches,
                .caches_only = caches,
        };
        r = build_run(&build, &result, &why);
        assert_true(r < 0 || result == BUILD_SUCCESS || allocations_have_failed());
        free(why);
        interrupt_free(interrupt);
        assert_complete(w);
        return r;
}

static int build_the_caches(void *userdata) {
        return build_part(userdata, true);
}

static int build_nothing(void *userdata) {
        return build_part(userdata, false);
}

static void build_is_done_or_the_error_is_returned(void **state) {
        World w;
        world_start(&w, *state);
        int level = log_set_max_level(LOG_EMERG);
        allocations_fail_or_cope(build_the_caches, &w);
        prepare_same(&w);
        allocations_fail_or_cope(build_nothing, &w);
        log_set_max_level(level);
        world_end(&w);
}

/* What is made from what failed is skipped. */
static int build_what_fails(void *userdata) {
        World *w = userdata;
        static const HelperList none = {};
        _cleanup_fclose_ FILE *report = fopen("/dev/null", "we");
        _cleanup_(interrupt_freep) Interrupt *interrupt = NULL;
        _cleanup_free_ char *why = NULL;
        BuildResult result = BUILD_SUCCESS;
        int r = report ? interrupt_new(&interrupt) : -ENOMEM;
        if (r < 0)
                return r;
        const Build build = {
                .context = &w->b.context, .helpers = &none, .interrupt = interrupt, .report = report};
        r = build_run(&build, &result, &why);
        assert_true(r < 0 || result == BUILD_FAILED);
        return r;
}

static void failure_is_told_or_the_error_is_returned(void **state) {
        Scratch *s = *state;
        World w = {};
        int level = log_set_max_level(LOG_EMERG);
        scratch_write(s, "v/src/x", "");
        scratch_write(s, "builders/f.conf", "[Builder]\nExec=/bin/false\nRoot=host\n");
        scratch_write(s, "state/caches/l.stamp",
                      "bootkeep-stamp 1\nfingerprint 00\nlearned opens\nread /f 1 -\n");
        buildworld_start(
                &w.b, s,
                "<cache name=\"f\" builder=\"f\"><source path=\"/src\"/><output path=\"/f\"/></cache>"
                "<cache name=\"g\" builder=\"b\"><source path=\"/f\"/><output path=\"/g\"/></cache>"
                "<cache name=\"h\" builder=\"b\"><source cache=\"f\"/><output path=\"/h\"/></cache>"
                "<cache name=\"l\" builder=\"b\"><source path=\"/src\"/><output path=\"/l\"/></cache>");
        allocations_fail_or_cope(build_what_fails, &w);
        log_set_max_level(level);
        buildworld_end(&w.b);
}

static void wait_for_nothing(void *userdata) {
}

static int take_and_release(void *userdata) {
        const BusLockRequest request = {
                .volume = "sda2",
                .patience = {.interrupt = userdata, .beat = wait_for_nothing},
        };
        BusLock *lock = UNTOUCHED;
        BusLockResult result = BUSLOCK_NOBODY;
        char *holder = NULL;
        int r = buslock_take(&request, &lock, &result, &holder);
        assert_null(holder);
        if (r < 0)
                assert_ptr_equal(lock, UNTOUCHED);
        else {
                assert_int_equal(result, BUSLOCK_TAKEN);
                assert_null(buslock_release(lock, 1, "no room"));
        }
        return r;
}

static void lock_is_taken_or_the_error_is_returned(void **state) {
        LockService service = {};
        Interrupt *interrupt = NULL;
        assert_int_equal(interrupt_new(&interrupt), 0);
        lock_service_start(&service, *state);
        allocations_fail_or_cope(take_and_release, interrupt);
        lock_service_stop(&service);
        interrupt_free(interrupt);
}

/* A record for which there is no memory is not the same as none: then everything would belong to somebody
 * else. */
static int read_record(void *userdata) {
        HelperRecord record = HELPER_RECORD_NULL;
        int r = record_lines_read(userdata, &record);
        if (r >= 0)
                assert_int_equal(record.carried.n, 2);
        helper_record_done(&record);
        return r;
}

static int write_record(void *userdata) {
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        return stamp ? record_lines_add(userdata, stamp) : -ENOMEM;
}

static void record_is_read_and_written_or_the_error_is_returned(void **state) {
        static const char hex[] = "0123456789abcdef0123456789abcdef";
        Stamp *stamp = stamp_new();
        HelperRecord record = HELPER_RECORD_NULL;
        assert_non_null(stamp);
        assert_int_equal(stamp_add(stamp, "state", "intent"), 0);
        assert_int_equal(stamp_add(stamp, "filesystem", "AB-CD"), 0);
        assert_int_equal(stamp_add(stamp, "carries", "required /os/linux %s 5 boot /os/linux /src d", hex),
                         0);
        assert_int_equal(stamp_add(stamp, "adopts", "booter /EFI/x %s 5 boot /EFI/x /src d", hex), 0);
        assert_int_equal(stamp_add(stamp, "previous", "required /os/old %s 5 boot", hex), 0);
        assert_int_equal(stamp_add(stamp, "previous", "required /os/older %s 5 boot", hex), 0);
        assert_int_equal(stamp_add(stamp, "ours", "/os/left"), 0);
        assert_int_equal(stamp_add(stamp, "ours", "/os/right"), 0);
        assert_int_equal(stamp_add(stamp, "made", "/os"), 0);
        assert_int_equal(stamp_add(stamp, "made", "/os/more"), 0);
        allocations_fail_in_turn(read_record, stamp);
        assert_int_equal(record_lines_read(stamp, &record), 0);
        allocations_fail_in_turn(write_record, &record);
        helper_record_done(&record);
        stamp_free(stamp);
}

/* A decision for which there is no memory is not made: with files in the way, kept, left over, to be removed,
 * and without room for all. */
typedef struct Case {
        WantedSet wanted;
        HelperView views[8];
        HelperRecord record;
        SeenSet entries, left;
        uint64_t available;
        bool blocked; /* a file is where "/d" has to be a directory */
        bool booted;  /* else the required file is there already, so that an entry is the first to be written
                       */
} Case;

static void want(WantedSet *s, CopyRole role, const char *path, const char *text) {
        WantedFile f = {
                .role = role,
                .to = strdup(path),
                .path = strdup(path),
                .size = 4096,
                .text = text ? strdup(text) : NULL,
        };
        assert_int_equal(wanted_set_add(s, &f), 0);
}

static void carry(HelperRecord *record, CopyRole role, const char *to, const char *path) {
        CarriedFile f = {
                .role = role, .path = strdup(path), .to = strdup(to), .boot = strdup("1"), .size = 4096};
        assert_int_equal(carried_set_add(&record->carried, &f), 0);
}

static void keep(HelperRecord *record, CopyRole role, const char *path, const char *boot) {
        KeptFile f = {.role = role, .path = strdup(path), .size = 4096, .boot = strdup(boot)};
        assert_int_equal(kept_set_add(&record->kept, &f), 0);
}

static void see(SeenSet *s, const char *path, const char *text) {
        SeenFile f = {
                .path = strdup(path),
                .size = text ? strlen(text) : 4096,
                .text = text ? strdup(text) : NULL,
                .boot = text ? strdup("1") : NULL,
        };
        assert_int_equal(seen_set_add(s, &f), 0);
}

/* Two of each, so that a failure at the first is not made up for by the second. */
static void case_start(Case *c, Case how) {
        bool blocked = how.blocked, booted = how.booted;
        *c = how;
        want(&c->wanted, ROLE_REQUIRED, "/d/linux", NULL);
        want(&c->wanted, ROLE_ENTRY, "/e1.conf", "new");
        want(&c->wanted, ROLE_ENTRY, "/e2.conf", "new");
        want(&c->wanted, ROLE_BOOTER, "/booter", NULL);
        want(&c->wanted, ROLE_MISC, "/misc", NULL);
        for (size_t i = 0; i < c->wanted.n; i++)
                c->views[i].standing = STANDING_OTHER;
        c->views[0] = (HelperView){.standing = booted ? STANDING_OTHER : STANDING_SAME, .blocked = blocked};
        carry(&c->record, ROLE_MISC, blocked ? "/d" : "/e", blocked ? "/d" : "/e");
        carry(&c->record, ROLE_REQUIRED, "/l", "/l-1");
        carry(&c->record, ROLE_REQUIRED, "/i", "/i-1");
        carry(&c->record, ROLE_REQUIRED, "/u", "/u-1");
        carry(&c->record, ROLE_REQUIRED, "/f", "/f");
        carry(&c->record, ROLE_ENTRY, "/e1.conf", "/e1.conf");
        carry(&c->record, ROLE_ENTRY, "/e2.conf", "/e2.conf");
        carry(&c->record, ROLE_ENTRY, "/e3.conf", "/e3.conf");
        keep(&c->record, ROLE_ENTRY, "/k1.conf", "2");
        keep(&c->record, ROLE_REQUIRED, "/k1", "2");
        keep(&c->record, ROLE_ENTRY, "/k2.conf", "0");
        keep(&c->record, ROLE_REQUIRED, "/k2", "0");
        keep(&c->record, ROLE_ENTRY, "/k3.conf", "0");
        keep(&c->record, ROLE_REQUIRED, "/k3", "0");
        see(&c->entries, "/e1.conf", "l /l-1 /left1");
        see(&c->entries, "/e2.conf", "i /i-1 /left2");
        see(&c->left, "/left1", NULL);
        see(&c->left, "/left2", NULL);
        see(&c->left, "/left3", NULL);
        for (size_t i = 0; i < c->left.n; i++)
                assert_int_equal(strv_extend(&c->record.ours, c->left.items[i].path), 0);
        assert_int_equal(strv_extend(&c->record.made, "/d"), 0);
        assert_true(free_and_strdup(&c->record.filesystem, "AB-CD") >= 0);
}

static void case_end(Case *c) {
        wanted_set_done(&c->wanted);
        helper_record_done(&c->record);
        seen_set_done(&c->entries);
        seen_set_done(&c->left);
}

static int record_case(const Case *c, const Claim *claim, const HelperPlan *plan) {
        static char *const made[] = {(char *) "/d", (char *) "/x", NULL}, *const unremoved[] = {
                                                                                  (char *) "/u-1", NULL};
        const bool failed[] = {false, false, false, false, true};
        HelperRecord record = HELPER_RECORD_NULL;
        int r = next_record_intent(&c->record, plan, made, &record);
        helper_record_done(&record);
        if (r < 0)
                return r;
        const Outcome outcome = {
                .wanted = &c->wanted,
                .views = c->views,
                .old = &c->record,
                .claim = claim,
                .kept = &plan->kept,
                .failed = failed,
                .unremoved = unremoved,
                .made = made,
                .boot_id = "2",
        };
        r = next_record_final(&outcome, &record);
        helper_record_done(&record);
        return r;
}

static int decide_case(void *userdata) {
        _cleanup_(claim_done) Claim claim = {};
        const Case *c = userdata;
        int r = claim_init(&claim, &c->record);
        if (r < 0)
                return r;
        const HelperPlanInput in = {
                .wanted = &c->wanted,
                .views = c->views,
                .record = &c->record,
                .claim = &claim,
                .entries = &c->entries,
                .left = &c->left,
                .boot_id = "2",
                .cmdline = "",
                .running = c->booted,
                .block_size = 4096,
                .available = c->available,
        };
        HelperPlan *plan = UNTOUCHED;
        r = decision_make(&in, &plan, NULL);
        if (r < 0) {
                assert_ptr_equal(plan, UNTOUCHED);
                return r;
        }
        r = record_case(c, &claim, plan);
        helper_plan_free(plan);
        return r;
}

static void decision_is_whole_or_none(void **state) {
        static const Case cases[] = {
                {.booted = true, .blocked = true, .available = UINT64_MAX},
                {.booted = true, .available = UINT64_MAX},
                {.available = UINT64_MAX},
                {.booted = true, .blocked = true, .available = 9 * 4096},
                {.booted = true, .available = 6 * 4096},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Case c;
                case_start(&c, cases[i]);
                allocations_fail_in_turn(decide_case, &c);
                case_end(&c);
        }
}

/* Names are given to a copy of WANTED, of which none has one. */
static int name_case(void *userdata) {
        const CarriedSet *old = userdata;
        WantedSet s = {};
        static const struct {
                CopyRole role;
                const char *to, *text;
        } wanted[] = {
                {ROLE_REQUIRED, "/l", NULL},       {ROLE_REQUIRED, "/i", NULL},
                {ROLE_ENTRY, "/1.conf", "l /l\n"}, {ROLE_MISC, "/misc", NULL},
                {ROLE_ENTRY, "/2.conf", "i /i\n"},
        };
        int r = 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(wanted); i++) {
                const char *text = wanted[i].text;
                WantedFile f = {
                        .role = wanted[i].role, .to = strdup(wanted[i].to), .size = text ? strlen(text) : 1};
                r = f.to && (!text || (f.text = strdup(text))) ? 0 : -ENOMEM;
                if (r < 0)
                        wanted_file_done(&f);
                else
                        r = wanted_set_add(&s, &f);
        }
        if (r >= 0)
                r = naming_apply(&s, old, NULL);
        wanted_set_done(&s);
        return r;
}

static void names_are_given_to_all_or_the_error_is_told(void **state) {
        HelperRecord record = HELPER_RECORD_NULL;
        carry(&record, ROLE_REQUIRED, "/l", "/l-00000000");
        allocations_fail_in_turn(name_case, &record.carried);
        helper_record_done(&record);
}

/* where the record is, and the directories */

static int keep_record(void *userdata) {
        const Scratch *s = userdata;
        static char partuuid[] = "12-34", uuid[] = "AB-CD", left[] = "/left", *ours[] = {left, NULL};
        const Helper helper = {.partuuid = partuuid, .fs_uuid = uuid};
        _cleanup_(recorder_done) Recorder recorder = RECORDER_NULL;
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        HelperRecord record = HELPER_RECORD_NULL;
        if (!stamp)
                return -ENOMEM;
        int r = recorder_open(&recorder, s->fd, &helper, NULL);
        if (r >= 0)
                r = recorder_write(&recorder, &(HelperRecord){.filesystem = uuid, .ours = ours}, stamp, NULL);
        if (r >= 0)
                r = recorder_read(&recorder, &helper, &record, NULL);
        if (r >= 0)
                assert_string_equal(record.ours[0], "/left");
        helper_record_done(&record);
        return r;
}

static void record_is_kept_or_the_error_is_told(void **state) {
        Scratch *s = *state;
        scratch_write(s, "helpers/.keep", "");
        allocations_fail_in_turn(keep_record, s);
}

typedef struct Places {
        const Scratch *s;
        WantedSet wanted;
        HelperRecord record;
} Places;

static int sweep_places(void *userdata) {
        const Places *p = userdata;
        return directories_sweep(p->s->fd, &p->record, &p->wanted, NULL, NULL);
}

static int list_missing(void *userdata) {
        const Places *p = userdata;
        char **missing = UNTOUCHED;
        return OUTCOME(directories_missing(p->s->fd, &p->wanted, (HelperView[2]){}, &missing, NULL), missing,
                       strv_free);
}

static int list_standing(void *userdata) {
        const Places *p = userdata;
        _cleanup_(strv_builder_done) StrvBuilder standing = {};
        int r = directories_standing(p->s->fd, p->record.made, &standing);
        if (r >= 0)
                assert_int_equal(standing.n, 2);
        return r;
}

static void directories_are_all_found_or_the_error_is_told(void **state) {
        Places p = {.s = *state};
        scratch_write(p.s, "a/b/x", "");
        assert_int_equal(strv_extend(&p.record.made, "/a"), 0);
        assert_int_equal(strv_extend(&p.record.made, "/a/b"), 0);
        assert_int_equal(strv_extend(&p.record.ours, "/a/1"), 0);
        assert_int_equal(strv_extend(&p.record.ours, "/a/b/1"), 0);
        carry(&p.record, ROLE_MISC, "/1", "/1");
        carry(&p.record, ROLE_MISC, "/a/b/1", "/a/b/1");
        want(&p.wanted, ROLE_MISC, "/c/d/1", NULL);
        want(&p.wanted, ROLE_MISC, "/e/1", NULL);
        allocations_fail_in_turn(sweep_places, &p);
        allocations_fail_in_turn(list_missing, &p);
        allocations_fail_in_turn(list_standing, &p);
        helper_record_done(&p.record);
        wanted_set_done(&p.wanted);
}

/* builders of somebody else */

static int write_and_read_order(void *userdata) {
        char program[] = "/bin/true", *argv[] = {program, NULL}, a[] = "A=1", *more[] = {a, NULL};
        _cleanup_(builderorder_done) BuilderOrder order = {};
        _cleanup_close_ int fd = -EBADF;
        int r = builderorder_write(&(BuilderOrder){program, 1, false, LEARN_OPENS, argv, more}, &fd);
        return r < 0 ? r : builderorder_read(fd, &order);
}

static int keep_trace(void *userdata) {
        _cleanup_(trace_done) Trace trace = {}, got = {};
        _cleanup_(strv_builder_done) StrvBuilder names = {};
        TraceItem item = {.kinds = TRACE_LISTED};
        _cleanup_close_ int fd = -EBADF;
        int r = strv_builder_extend(&names, "a");
        if (r >= 0)
                r = trace_names(&names, &item.names);
        if (r >= 0)
                r = free_and_strdup(&item.path, "/d");
        if (r < 0)
                trace_item_done(&item);
        else
                r = trace_take(&trace, &item);
        if (r >= 0)
                r = trace_add(&trace, "/d/a", TRACE_READ);
        if (r >= 0)
                r = trace_names(&names, &item.names);
        trace_item_done(&item);
        if (r >= 0)
                r = trace_miss(&trace, "why");
        if (r >= 0)
                r = trace_write(&trace, &fd);
        return r < 0 ? r : trace_read(fd, &got);
}

static int set_inodes(void *userdata) {
        _cleanup_(inodeset_done) InodeSet set = {};
        int r = 0;
        for (unsigned i = 0; r >= 0 && i < 600; i++)
                r = inodeset_add(&set, &(struct statx){.stx_ino = i}, 1);
        return MIN(r, 0);
}

static void trace_is_kept_or_the_error_is_returned(void **state) {
        allocations_fail_in_turn(keep_trace, NULL);
        allocations_fail_in_turn(set_inodes, NULL);
}

static int run_outside(void *userdata) {
        HostWorld *w = userdata;
        const char *argv[] = {"/bin/false", NULL};
        const RunnerJob job = host_world_job(w, argv);
        RunnerOutcome outcome = RUNNER_SUCCESS;
        _cleanup_free_ char *reason = NULL;
        int r = builderlink_run(&w->link, &job, false, &outcome, &reason);
        assert_true(r < 0 ? !reason : outcome == RUNNER_FAILED && reason);
        return r;
}

static int open_outside(void *userdata) {
        const HostWorld *w = userdata;
        Root *root = UNTOUCHED;
        int r = builderlink_open_volume(&w->link, "/nonexistent", 0, false, &root);
        assert_ptr_equal(root, UNTOUCHED);
        return r == -ENOENT ? 0 : r;
}

static void beat_of_nobody(void *userdata) {
}

/* There is no bus. */
static int connect_unit(void *userdata) {
        const Scratch *s = userdata;
        const BuilderUnitRequest request = {"x.service", s->path, {NULL, beat_of_nobody, NULL}};
        _cleanup_free_ char *why = NULL;
        int socket = 1000, r = builderunit_connect(&request, &socket, &why);
        assert_int_equal(socket, 1000);
        return r == -ENOENT ? 0 : r;
}

static int call_back(void *userdata) {
        const Scratch *s = userdata;
        int socket = 1000, r = builderunit_call_back(s->path, &socket);
        assert_int_equal(socket, 1000);
        return r == -ENOENT ? 0 : r;
}

static void unit_of_builders_is_found_or_the_error_is_returned(void **state) {
        Scratch *s = *state;
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", true), 0);
        allocations_fail_or_cope(connect_unit, s);
        allocations_fail_in_turn(call_back, s);
        assert_int_equal(unsetenv("DBUS_SYSTEM_BUS_ADDRESS"), 0);
}

static void builder_is_run_outside_or_the_error_is_returned(void **state) {
        HostWorld w;
        host_world_start(&w);
        allocations_fail_in_turn(write_and_read_order, NULL);
        allocations_fail_in_turn(run_outside, &w);
        allocations_fail_in_turn(open_outside, &w);
        host_world_end(&w);
}

/* output */

static void keep_line(const char *line, void *userdata) {
        (void) snprintf(userdata, 32, "%s", line);
}

static int cut_line_off(void *userdata) {
        char line[32] = "";
        LineCutter c = {.line = keep_line, .userdata = line};
        linecutter_feed(&c, "output\n", 7);
        if (streq(line, "(out of memory)"))
                return -ENOMEM;
        assert_string_equal(line, "output");
        return 0;
}

static void line_is_logged_or_the_error_is_told(void **state) {
        allocations_fail_in_turn(cut_line_off, NULL);
}

/* A child that looks at one thing, and somebody who answers it. */
static int look_and_tell(void *userdata) {
        _cleanup_(trace_done) Trace trace = {};
        _cleanup_(lookups_freep) Lookups *lookups = NULL;
        int ready[2], status;
        char c;
        const LookupsJob job = {LOOKUP_NAMES, "none", "/", &trace};
        int r = lookups_new(&job, &lookups);
        if (r < 0)
                return r;
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (pid == 0) {
                lookups_install(lookups);
                (void) !write(ready[1], "x", 1);
                _exit(access("/", F_OK) < 0 ? 1 : 0);
        }
        assert_int_equal(read(ready[0], &c, 1), 1);
        close(ready[0]);
        close(ready[1]);
        r = lookups_begin(lookups);
        while (r >= 0 && lookups_get_fd(lookups) >= 0) {
                struct pollfd p = {.fd = lookups_get_fd(lookups), .events = POLLIN};
                assert_int_equal(poll(&p, 1, -1), 1);
                r = lookups_serve(lookups, p.revents);
        }
        lookups = lookups_free(lookups);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(r < 0 || trace.n == 1);
        return r;
}

static void look_is_told_or_the_error_is_returned(void **state) {
        allocations_fail_in_turn(look_and_tell, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(helper_is_complete_whatever_fails),
                scratch_test(cache_is_built_or_the_error_is_returned),
                scratch_test(what_was_learned_is_recorded_or_the_error_is_returned),
                scratch_test(what_others_built_is_taken_or_the_error_is_returned),
                scratch_test(list_of_another_is_taken_over_or_the_error_is_returned),
                scratch_test(build_is_done_or_the_error_is_returned),
                scratch_test(failure_is_told_or_the_error_is_returned),
                scratch_test(lock_is_taken_or_the_error_is_returned),
                cmocka_unit_test(record_is_read_and_written_or_the_error_is_returned),
                cmocka_unit_test(decision_is_whole_or_none),
                scratch_test(record_is_kept_or_the_error_is_told),
                scratch_test(directories_are_all_found_or_the_error_is_told),
                scratch_test(unit_of_builders_is_found_or_the_error_is_returned),
                cmocka_unit_test(trace_is_kept_or_the_error_is_returned),
                cmocka_unit_test(builder_is_run_outside_or_the_error_is_returned),
                cmocka_unit_test(look_is_told_or_the_error_is_returned),
                cmocka_unit_test(line_is_logged_or_the_error_is_told),
                cmocka_unit_test(names_are_given_to_all_or_the_error_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
